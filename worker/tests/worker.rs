//! The worker from outside: the real binary, the real weights, over HTTP.
//!
//! The weights are fetched once, into the folder that SOPHIA_MODELS names or beside the build.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

#[path = "worker/chat.rs"]
mod chat;
#[path = "worker/drain.rs"]
mod drain;
#[path = "worker/embeddings.rs"]
mod embeddings;
#[path = "worker/errors.rs"]
mod errors;
#[path = "worker/openai.rs"]
mod openai;
#[path = "worker/queue.rs"]
mod queue;
#[path = "worker/reference.rs"]
mod reference;
#[path = "worker/schema.rs"]
mod schema;
#[path = "worker/weights.rs"]
mod weights;
#[path = "worker/world.rs"]
mod world;
