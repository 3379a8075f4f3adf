//! Write plugins for the Sophia plugin host.
//!
//! A plugin is a type that implements [`Connector`] (or [`Policy`] and [`Routing`]) and one macro
//! that exports it. This is a whole connector, `src/lib.rs` of a crate with
//! `crate-type = ["cdylib"]`:
//!
//! ```
#![doc = include_str!("../../../tests/guests/rust/smallest/src/lib.rs")]
//! ```
//!
//! Beside it stands a `plugin.toml` that says what the plugin asks for, and `sophia plugin build`
//! makes one file of both. `sophia plugin new` writes such a pair.
//!
//! The methods are the contract of the WIT package `sophia:plugin`, and so are the sentences on
//! them. A guest has nothing but what the host gives it: no clock, no randomness, no network of
//! its own. [`time`], [`random`] and [`http`] are those of the host; `std::time` panics.
//! A fresh instance serves each call unless the manifest asks for `reuse`, so a `static` is no
//! place to keep anything.

#[cfg(target_family = "wasm")]
mod allocator;
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings;
pub mod config;
mod connector;
mod description;
mod error;
#[doc(hidden)]
#[cfg(all(target_family = "wasm", getrandom_backend = "custom"))]
pub mod getrandom;
pub mod http;
mod json;
pub mod log;
#[cfg(target_family = "wasm")]
mod panics;
mod policy;
pub mod random;
pub mod secrets;
#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod shell;
pub mod time;

pub use connector::{Connector, Page, WebhookOutcome, WebhookRequest};
pub use description::{Description, Operation, Stream};
pub use error::{Error, UpstreamError};
pub use json::Json;
pub use policy::{Candidate, Decision, Health, Money, Policy, Routing, RoutingRequest};
