//! Write plugins for the Sophia plugin host.
//!
//! A plugin is a type that implements [`Connector`], [`Pattern`] or [`Policy`] with [`Routing`],
//! and one macro that exports it. This is a whole connector, `src/lib.rs` of a crate with
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
//! its own. [`time`], [`random`] and [`http`] are those of the host; `std::time` panics. A
//! connector has [`http`] and [`secrets`]; a pattern has [`agents`], [`models`], [`connectors`],
//! [`memory`], [`budget`] and [`timeline`] instead.
//! A fresh instance serves each call unless the manifest asks for `reuse`, so a `static` is no
//! place to keep anything.

pub mod agents;
#[cfg(target_family = "wasm")]
mod allocator;
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings;
pub mod budget;
pub mod config;
mod connector;
pub mod connectors;
mod description;
mod error;
#[doc(hidden)]
#[cfg(all(target_family = "wasm", getrandom_backend = "custom"))]
pub mod getrandom;
pub mod http;
mod json;
pub mod log;
pub mod memory;
pub mod models;
#[cfg(target_family = "wasm")]
mod panics;
mod pattern;
mod policy;
pub mod random;
pub mod secrets;
#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod shell;
pub mod time;
pub mod timeline;
mod usage;

pub use connector::{Connector, Page, WebhookOutcome, WebhookRequest};
pub use description::{Description, Operation, Stream};
pub use error::{Error, UpstreamError};
pub use json::Json;
pub use pattern::{Outcome, Pattern, Task};
pub use policy::{Candidate, Decision, Health, Policy, Routing, RoutingRequest};
pub use usage::{Money, Usage};
