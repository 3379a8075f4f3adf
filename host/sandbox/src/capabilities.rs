//! What a guest may ask of the host: one file per interface of `wit/`.

mod agents;
mod budget;
mod clock;
mod config;
pub(crate) mod http;
mod log;
pub(crate) mod models;
mod random;
mod secrets;
mod steps;
mod timeline;
mod unavailable;

use crate::{bindings::sophia::plugin::types, guest::Guest};

impl types::Host for Guest {}
