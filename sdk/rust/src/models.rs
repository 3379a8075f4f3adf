//! Models by class (`fast`, `quality`, `embed`), never by address. The node's policy chooses the
//! provider or worker; each call is held against the budget before it starts and settled after.
//!
//! ```no_run
//! # fn main() -> Result<(), sophia_sdk::Error> {
//! use sophia_sdk::models::{self, CompletionRequest, Message};
//!
//! let answer = models::complete(CompletionRequest {
//!     class: "fast".to_owned(),
//!     messages: vec![Message::user("Name a prime.")],
//!     max_output_tokens: Some(16),
//!     ..CompletionRequest::default()
//! })?;
//! # Ok(())
//! # }
//! ```

use serde::Deserialize;

use crate::{Error, Json, bindings::pattern::sophia::plugin::models as wit};

pub use wit::{Completion, CompletionEvent, Embeddings, Finish, Message, Ranked, Role};

/// What to complete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompletionRequest {
    /// A class that the manifest asks for.
    pub class: String,
    /// The conversation so far, oldest first. At least one message.
    pub messages: Vec<Message>,
    /// Most tokens to generate. The host caps it and always sends a bound.
    pub max_output_tokens: Option<u32>,
    /// 0.0 is greedy. The worker's default where none.
    pub temperature: Option<f32>,
    /// Makes sampling repeatable where the worker supports it.
    pub seed: Option<u64>,
    /// Strings at which generation ends. At most 4.
    pub stop: Vec<String>,
    /// JSON Schema that the answer must fit; the worker constrains decoding.
    pub schema: Option<Json>,
}

/// An answer on its way. Dropping it cancels generation and settles what was used.
#[derive(Debug)]
pub struct CompletionStream(wit::CompletionStream);

/// Completes once. Calling twice pays twice.
pub fn complete(request: CompletionRequest) -> Result<Completion, Error> {
    wit::complete(&request.into())
}

/// Completes all at the same time; outcomes in the order asked. At most 64.
pub fn complete_all(requests: Vec<CompletionRequest>) -> Vec<Result<Completion, Error>> {
    let requests: Vec<wit::CompletionRequest> = requests.into_iter().map(wit::CompletionRequest::from).collect();
    wit::complete_all(&requests)
}

/// Starts a streamed completion.
pub fn stream(request: CompletionRequest) -> Result<CompletionStream, Error> {
    wit::open_stream(&request.into()).map(CompletionStream)
}

/// Embeds texts with one model: all vectors, or an error.
pub fn embed(class: &str, texts: &[String]) -> Result<Embeddings, Error> {
    wit::embed(class, texts)
}

/// Orders documents by how well they answer a query, best first.
pub fn rerank(class: &str, query: &str, documents: &[String]) -> Result<Vec<Ranked>, Error> {
    wit::rerank(class, query, documents)
}

impl CompletionStream {
    /// The next event, or none after [`CompletionEvent::Done`] or an error.
    pub fn next_event(&mut self) -> Result<Option<CompletionEvent>, Error> {
        self.0.next()
    }
}

impl Message {
    /// Instructions from whoever wrote the plugin.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }

    /// What the person or the plugin asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// The model's own earlier answer.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

impl Completion {
    /// Reads a value out of the answer. What does not fit is the model's fault: `upstream`.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_str(&self.content).map_err(|error| Error::unreadable_answer(&error))
    }
}

impl From<CompletionRequest> for wit::CompletionRequest {
    fn from(request: CompletionRequest) -> Self {
        Self {
            class: request.class,
            messages: request.messages,
            max_output_tokens: request.max_output_tokens,
            temperature: request.temperature,
            seed: request.seed,
            stop: request.stop,
            schema: request.schema.map(Json::into_text),
        }
    }
}
