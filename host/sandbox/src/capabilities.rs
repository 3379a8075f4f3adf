//! What a guest may ask of the host: one file per interface of `wit/`.

mod clock;
mod config;
pub(crate) mod http;
mod log;
mod random;
mod secrets;
pub(crate) mod unavailable;

use crate::{bindings::sophia::plugin::types, guest::Guest};

impl types::Host for Guest {}
