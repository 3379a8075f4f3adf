//! Settings of the connection and of the node that the manifest asked to read.

use crate::bindings::connector::sophia::plugin::config;

/// The value of a key, or none where it is unset or was not granted. The same for a whole call.
pub fn get(key: &str) -> Option<String> {
    config::get(key)
}
