//! What goes into and comes out of a guest, as plain values: the WIT's records without its
//! bindings. JSON stays text, because its shape is somebody else's.

use serde::{Deserialize, Serialize};
use sophia_models::ModelError;

use crate::bindings::{
    exports::sophia::plugin::{about, connector_calls, pattern_calls, routing},
    sophia::plugin::types,
};

/// What a plugin offers. Said once, at upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// A short name for people.
    pub title: String,
    /// What the plugin is for.
    pub summary: String,
    /// JSON Schema of a connection's configuration.
    pub configuration: Option<String>,
    /// What can be called.
    pub operations: Vec<Operation>,
    /// What can be read.
    pub streams: Vec<StreamDescription>,
}

/// Something that can be called by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Unique within the plugin.
    pub name: String,
    /// A sentence for people and models.
    pub summary: String,
    /// JSON Schema of the arguments.
    pub arguments: String,
    /// JSON Schema of the result.
    pub outcome: String,
    /// An example of the arguments, as JSON.
    pub example: Option<String>,
}

/// A stream of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDescription {
    /// Unique within the plugin.
    pub name: String,
    /// A sentence for people.
    pub summary: String,
    /// JSON Schema of a record.
    pub schema: String,
    /// Fields that together identify a record.
    pub primary_key: Vec<String>,
    /// The field that an incremental read goes by.
    pub cursor_field: Option<String>,
}

/// Records and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// One JSON object a record.
    pub items: Vec<String>,
    /// Cursor for the next call, as JSON.
    pub next: Option<String>,
    /// Whether there is more right now.
    pub more: bool,
}

/// A vendor's call to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    /// The HTTP method.
    pub method: String,
    /// The URL as the vendor called it.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What to do with a genuine webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOutcome {
    /// One JSON object an event.
    pub events: Vec<String>,
    /// What to answer the vendor.
    pub reply: String,
}

/// One run of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The run's id.
    pub run: String,
    /// Its arguments, as JSON.
    pub arguments: String,
}

/// What came of a run. Whether the content is JSON is the caller's to check.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The result, as JSON.
    pub content: String,
    /// Between 0 and 1 where the pattern has a measure; as the guest said it.
    pub confidence: Option<f32>,
}

/// What is asked of a routing policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingRequest {
    /// The class of model.
    pub class: String,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Most tokens that may be generated.
    pub max_output_tokens: u64,
    /// Whether the answer is streamed.
    #[serde(default)]
    pub streamed: bool,
    /// Micro-dollars that the caller has left.
    #[serde(default)]
    pub budget_micro_usd: Option<u64>,
}

/// A model that could answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Unique in the list.
    pub id: String,
    /// The model's name.
    pub model: String,
    /// Whether it is up.
    pub health: Health,
    /// Median milliseconds to the first token.
    #[serde(default)]
    pub latency_ms: u32,
    /// Requests that wait there.
    #[serde(default)]
    pub queue: u32,
    /// Micro-dollars for a million input tokens.
    pub input_price_micro_usd: u64,
    /// Micro-dollars for a million output tokens.
    pub output_price_micro_usd: u64,
}

/// How a provider or worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Answers.
    Healthy,
    /// Answers, slowly or with errors.
    Degraded,
    /// Does not answer.
    Down,
}

/// What a routing policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Try these candidates in this order.
    Order(Vec<String>),
    /// Do not serve it; shown to the caller.
    Refuse(String),
}

/// The contract's error, as a guest returned it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PluginError {
    /// Not asked for, or not granted.
    #[error("denied: {0}")]
    Denied(String),
    /// Not there.
    #[error("not found: {0}")]
    NotFound(String),
    /// Wrong arguments.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Too many calls; milliseconds to wait.
    #[error("too many calls")]
    Limited(Option<u64>),
    /// A budget is used up.
    #[error("exhausted: {0}")]
    Exhausted(String),
    /// The other side failed.
    #[error("upstream: {message}")]
    Upstream {
        /// Its HTTP status.
        status: Option<u16>,
        /// What it said.
        message: String,
    },
    /// Time passed.
    #[error("timed out")]
    TimedOut,
    /// The caller went away.
    #[error("cancelled")]
    Cancelled,
    /// This node has no backend for it.
    #[error("not available on this node: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<types::Error> for PluginError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Denied(text) => Self::Denied(text),
            types::Error::NotFound(text) => Self::NotFound(text),
            types::Error::Invalid(text) => Self::Invalid(text),
            types::Error::Limited(wait) => Self::Limited(wait),
            types::Error::Exhausted(scope) => Self::Exhausted(scope),
            types::Error::Upstream(up) => Self::Upstream { status: up.status, message: up.message },
            types::Error::TimedOut => Self::TimedOut,
            types::Error::Cancelled => Self::Cancelled,
            types::Error::Unavailable(text) => Self::Unavailable(text),
            types::Error::Other(text) => Self::Other(text),
        }
    }
}

impl From<PluginError> for types::Error {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Denied(text) => Self::Denied(text),
            PluginError::NotFound(text) => Self::NotFound(text),
            PluginError::Invalid(text) => Self::Invalid(text),
            PluginError::Limited(wait) => Self::Limited(wait),
            PluginError::Exhausted(scope) => Self::Exhausted(scope),
            PluginError::Upstream { status, message } => Self::Upstream(types::UpstreamError { status, message }),
            PluginError::TimedOut => Self::TimedOut,
            PluginError::Cancelled => Self::Cancelled,
            PluginError::Unavailable(text) => Self::Unavailable(text),
            PluginError::Other(text) => Self::Other(text),
        }
    }
}

impl From<ModelError> for PluginError {
    /// The models' refusals in the contract's words.
    fn from(error: ModelError) -> Self {
        let text = error.to_string();
        match error {
            ModelError::Invalid { .. } | ModelError::ContextLength { .. } => Self::Invalid(text),
            ModelError::Unknown { .. } => Self::NotFound(text),
            ModelError::Refused { .. } => Self::Denied(text),
            ModelError::Exhausted { scope, .. } => Self::Exhausted(scope.kind().to_owned()),
            // Only an agent's own budget caps a call.
            ModelError::Capped { .. } => Self::Exhausted("agent".to_owned()),
            ModelError::Limited { retry_after } => {
                Self::Limited(Some(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX)))
            }
            ModelError::LimitReached(reached) => match reached.retry_after {
                Some(seconds) => Self::Limited(Some(seconds.saturating_mul(1_000))),
                None => Self::Exhausted(reached.scope),
            },
            ModelError::TimedOut { .. } => Self::TimedOut,
            ModelError::Down | ModelError::Failed { .. } => Self::Upstream { status: None, message: text },
            ModelError::PolicyFailed | ModelError::LedgerUnavailable | ModelError::Misconfigured { .. } => {
                Self::Unavailable(text)
            }
        }
    }
}

impl From<about::Description> for Description {
    fn from(said: about::Description) -> Self {
        Self {
            title: said.title,
            summary: said.summary,
            configuration: said.configuration,
            operations: said.operations.into_iter().map(Operation::from).collect(),
            streams: said.streams.into_iter().map(StreamDescription::from).collect(),
        }
    }
}

impl From<about::Operation> for Operation {
    fn from(said: about::Operation) -> Self {
        Self {
            name: said.name,
            summary: said.summary,
            arguments: said.arguments,
            outcome: said.outcome,
            example: said.example,
        }
    }
}

impl From<about::StreamDescription> for StreamDescription {
    fn from(said: about::StreamDescription) -> Self {
        Self {
            name: said.name,
            summary: said.summary,
            schema: said.schema,
            primary_key: said.primary_key,
            cursor_field: said.cursor_field,
        }
    }
}

impl From<connector_calls::Page> for Page {
    fn from(page: connector_calls::Page) -> Self {
        Self { items: page.items, next: page.next, more: page.more }
    }
}

impl From<WebhookRequest> for connector_calls::WebhookRequest {
    fn from(req: WebhookRequest) -> Self {
        Self { method: req.method, url: req.url, headers: req.headers, body: req.body }
    }
}

impl From<connector_calls::WebhookOutcome> for WebhookOutcome {
    fn from(outcome: connector_calls::WebhookOutcome) -> Self {
        Self { events: outcome.events, reply: outcome.reply }
    }
}

impl From<Task> for pattern_calls::Task {
    fn from(task: Task) -> Self {
        Self { run: task.run, arguments: task.arguments }
    }
}

impl From<pattern_calls::Outcome> for Outcome {
    fn from(outcome: pattern_calls::Outcome) -> Self {
        Self { content: outcome.content, confidence: outcome.confidence }
    }
}

impl From<RoutingRequest> for routing::RoutingRequest {
    fn from(req: RoutingRequest) -> Self {
        Self {
            class: req.class,
            input_tokens: req.input_tokens,
            max_output_tokens: req.max_output_tokens,
            streamed: req.streamed,
            budget: req.budget_micro_usd.map(money),
        }
    }
}

impl From<Candidate> for routing::Candidate {
    fn from(candidate: Candidate) -> Self {
        Self {
            id: candidate.id,
            model: candidate.model,
            health: match candidate.health {
                Health::Healthy => routing::Health::Healthy,
                Health::Degraded => routing::Health::Degraded,
                Health::Down => routing::Health::Down,
            },
            latency_ms: candidate.latency_ms,
            queue: candidate.queue,
            input_price: money(candidate.input_price_micro_usd),
            output_price: money(candidate.output_price_micro_usd),
        }
    }
}

impl From<routing::Decision> for Decision {
    fn from(decision: routing::Decision) -> Self {
        match decision {
            routing::Decision::Order(ids) => Self::Order(ids),
            routing::Decision::Refuse(text) => Self::Refuse(text),
        }
    }
}

fn money(micro_usd: u64) -> types::Money {
    types::Money { micro_usd }
}
