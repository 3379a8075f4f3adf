//! What wit-bindgen makes of `wit/`, held to it by `tests/bindings.rs`. Hidden: the rest of the
//! crate gives it names. One module a world.

#[rustfmt::skip]
pub mod connector;
#[rustfmt::skip]
pub mod routing_policy;
