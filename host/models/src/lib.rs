//! Every call of a model: which one, for whose money, and what comes back.
//!
//! [`Models`] is the way. A request is read and bounded ([`ChatRequest`], [`EmbedRequest`]); the
//! policy orders the candidates ([`Routing`]); for each in turn the money is held, the request sent
//! through egress, and the answer checked. Until the first byte is given to whoever asked, the next
//! candidate is tried where one fails; from then on it is billed as it is handed on. The ledger's
//! hold is settled by what the upstream reports where that can be true, and by what was delivered
//! otherwise.
//!
//! There is no HTTP server here, no retry of the same upstream, no cache and no queue; and nothing
//! is answered that no model said.

mod asker;
mod attempts;
mod base;
mod chat;
mod chat_request;
mod chunk;
mod completion;
mod completion_stream;
mod config;
mod embed;
mod embed_request;
mod error;
mod events;
mod fields;
mod fleet;
mod latency;
mod models;
mod prompt;
mod pulse;
mod routing;
mod schema;
mod sse;
mod stream;
mod tab;
mod tokenizer;
mod trip;
mod upstream_error;
mod usage;
mod wire;
mod worker;

pub use asker::Asker;
pub use attempts::Attempt;
pub use chat::ChatAnswer;
pub use chat_request::ChatRequest;
pub use completion::{Completion, CompletionEvent, CompletionRequest, Finish, Message, Role};
pub use completion_stream::CompletionStream;
pub use config::{
    Config, ConfigError, ModelKind, RawConfig, RawModel, RawPrice, RawUpstream, UpstreamKind, UsageReports,
};
pub use embed::Embeddings;
pub use embed_request::{EmbedRequest, Encoding};
pub use error::{ModelError, OpenAiError};
pub use fleet::{ModelEntry, ServedEntry, UpstreamEntry};
pub use models::{Models, Parts, Receipt};
pub use pulse::Health;
pub use routing::{Candidate, Decision, OnFault, Routing, RoutingFault, RoutingRequest};
pub use stream::{ChatStream, StreamEvent};
pub use trip::{Trip, Unanswered};
pub use upstream_error::UpstreamError;
pub use worker::{NoWorker, WorkerUrl};

#[cfg(test)]
mod tests;
