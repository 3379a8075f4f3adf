//! What wit-bindgen makes of `wit/`, held to it by `tests/bindings.rs`. Hidden: the rest of the
//! crate gives it names. One module a world.

#![allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    reason = "generated code; which of these it needs changes with the generator"
)]

#[rustfmt::skip]
pub mod connector;
#[rustfmt::skip]
pub mod pattern;
#[rustfmt::skip]
pub mod routing_policy;
