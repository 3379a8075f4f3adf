//! The routes that call plugins and models.
//!
//! ```text
//! POST /v1/connectors/{name}/{connection}/check
//! POST /v1/connectors/{name}/{connection}/read
//! POST /v1/connectors/{name}/{connection}/actions/{action}
//! ANY  /v1/connectors/{name}/{connection}/webhook            without a key
//! POST /v1/policies/{name}/ask
//! POST /v1/chat/completions     POST /v1/embeddings     GET /v1/models     GET /v1/models/{id}
//! ANY  /x/{plugin}/…                                         without a key where granted
//! ```
//!
//! Each reads in the same order: method, key, plugin, place among the running calls, body, call.
//! Refusing is cheap and comes first; a body is only read for a call that will be made.

mod call;
mod connector;
mod endpoint;
mod models;
mod policy;
mod target;
mod webhook;

pub(crate) use call::{live as live_plugin, span as call_span};
pub(crate) use target::Target;
