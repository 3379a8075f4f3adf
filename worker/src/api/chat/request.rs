//! What was asked ([`RawChat`]) becomes what will be done ([`ChatRequest`]).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::stream::StreamUsage;
use crate::{
    api::error::ApiError,
    chat::{Message, Penalties, Role, Sampling},
};

/// As many as OpenAI takes.
const MAX_STOPS: usize = 4;
/// Text that may be held back while it could be the begin of a stop string.
const MAX_STOP_BYTES: usize = 1_000;

/// A request as it came: every field of OpenAI's that this worker knows.
#[derive(Debug, Deserialize)]
pub(super) struct RawChat {
    model: String,
    messages: Vec<RawMessage>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    seed: Option<i64>,
    stop: Option<RawStop>,
    stream: Option<bool>,
    stream_options: Option<RawStreamOptions>,
    response_format: Option<RawFormat>,
    n: Option<u64>,
    logprobs: Option<bool>,
    logit_bias: Option<Map<String, Value>>,
    tools: Option<Vec<Value>>,
}

/// A message as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct RawMessage {
    role: RawRole,
    content: Option<RawContent>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawRole {
    System,
    /// OpenAI's newer word for system.
    Developer,
    User,
    Assistant,
    Tool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a text or a list of parts")]
enum RawContent {
    Text(String),
    Parts(Vec<RawPart>),
}

#[derive(Debug, Deserialize)]
struct RawPart {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a text or a list of texts")]
enum RawStop {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct RawStreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RawFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: RawSchema },
}

#[derive(Debug, Deserialize)]
struct RawSchema {
    schema: Option<Value>,
}

/// A request that can be fulfilled, as far as it can be known without the model.
#[derive(Debug)]
pub(super) struct ChatRequest {
    pub(super) model: String,
    /// At least one.
    pub(super) messages: Vec<Message>,
    /// At least 1 where it is given.
    pub(super) max_tokens: Option<usize>,
    pub(super) sampling: Sampling,
    /// None is empty.
    pub(super) stops: Vec<String>,
    pub(super) schema: Option<Value>,
    pub(super) stream: Option<StreamUsage>,
}

impl ChatRequest {
    /// The first thing that cannot be is the answer.
    pub(super) fn check(raw: RawChat) -> Result<Self, ApiError> {
        refuse_unsupported(&raw)?;
        Ok(Self {
            stream: stream(&raw)?,
            sampling: sampling(&raw)?,
            max_tokens: max_tokens(&raw)?,
            messages: messages(raw.messages)?,
            stops: stops(raw.stop)?,
            schema: schema(raw.response_format)?,
            model: raw.model,
        })
    }
}

/// What changes an answer in a way that this worker does not know. To ignore it would be to
/// pretend.
fn refuse_unsupported(raw: &RawChat) -> Result<(), ApiError> {
    let refusals = [
        (raw.n.is_some_and(|n| n != 1), "n", "must be 1: send as many requests as answers are wanted"),
        (raw.logprobs == Some(true), "logprobs", "this worker does not report them"),
        (raw.logit_bias.as_ref().is_some_and(|bias| !bias.is_empty()), "logit_bias", "this worker does not apply it"),
        (raw.tools.as_ref().is_some_and(|tools| !tools.is_empty()), "tools", "this model does not call tools"),
    ];
    let refused = refusals.into_iter().find(|(is_asked, ..)| *is_asked);
    refused.map_or(Ok(()), |(_, param, message)| Err(ApiError::unsupported(param, message)))
}

fn stream(raw: &RawChat) -> Result<Option<StreamUsage>, ApiError> {
    match (raw.stream.unwrap_or(false), &raw.stream_options) {
        (false, Some(_)) => Err(ApiError::invalid("stream_options", "is for requests with `stream: true`")),
        (false, None) => Ok(None),
        (true, Some(RawStreamOptions { include_usage: Some(true) })) => Ok(Some(StreamUsage::Included)),
        (true, _) => Ok(Some(StreamUsage::LeftOut)),
    }
}

fn sampling(raw: &RawChat) -> Result<Sampling, ApiError> {
    let temperature = raw.temperature.unwrap_or(1.0);
    let top_p = raw.top_p.unwrap_or(1.0);
    let penalties =
        Penalties { presence: raw.presence_penalty.unwrap_or(0.0), frequency: raw.frequency_penalty.unwrap_or(0.0) };
    let checks = [
        ((0.0..=2.0).contains(&temperature), "temperature", "must be 0 to 2"),
        (top_p > 0.0 && top_p <= 1.0, "top_p", "must be over 0 and at most 1"),
        ((-2.0..=2.0).contains(&penalties.presence), "presence_penalty", "must be -2 to 2"),
        ((-2.0..=2.0).contains(&penalties.frequency), "frequency_penalty", "must be -2 to 2"),
    ];
    if let Some((_, param, message)) = checks.into_iter().find(|(holds, ..)| !holds) {
        return Err(ApiError::invalid(param, message));
    }
    let seed = raw.seed.map_or_else(|| fastrand::u64(..), i64::cast_unsigned);
    Ok(Sampling { temperature, top_p, penalties, seed })
}

fn max_tokens(raw: &RawChat) -> Result<Option<usize>, ApiError> {
    let (param, max) = match (raw.max_completion_tokens, raw.max_tokens) {
        (Some(max), _) => ("max_completion_tokens", Some(max)),
        (None, max) => ("max_tokens", max),
    };
    if max == Some(0) { Err(ApiError::invalid(param, "must be at least 1")) } else { Ok(max) }
}

/// A conversation that the template takes.
pub(crate) fn messages(raw: Vec<RawMessage>) -> Result<Vec<Message>, ApiError> {
    if raw.is_empty() {
        return Err(ApiError::invalid("messages", "must hold at least one message"));
    }
    raw.into_iter().enumerate().map(|(index, message)| message.check(index)).collect()
}

impl RawMessage {
    fn check(self, index: usize) -> Result<Message, ApiError> {
        let role = match self.role {
            RawRole::System | RawRole::Developer => Role::System,
            RawRole::User => Role::User,
            RawRole::Assistant => Role::Assistant,
            RawRole::Tool => Role::Tool,
        };
        let param = format!("messages[{index}].content");
        let content = match self.content {
            Some(RawContent::Text(text)) => text,
            Some(RawContent::Parts(parts)) => join(parts, &param)?,
            // An assistant that only called tools said nothing.
            None if role == Role::Assistant => String::new(),
            None => return Err(ApiError::invalid(&param, "must be there")),
        };
        Ok(Message { role, content })
    }
}

fn join(parts: Vec<RawPart>, param: &str) -> Result<String, ApiError> {
    let texts = parts.into_iter().map(|part| match (part.kind.as_str(), part.text) {
        ("text", Some(text)) => Ok(text),
        ("text", None) => Err(ApiError::invalid(param, "a part of type `text` must have a `text`")),
        _ => Err(ApiError::unsupported(param, "this model takes parts of type `text` only")),
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn stops(raw: Option<RawStop>) -> Result<Vec<String>, ApiError> {
    let stops = match raw {
        None => Vec::new(),
        Some(RawStop::One(stop)) => vec![stop],
        Some(RawStop::Many(stops)) => stops,
    };
    let fits = |stop: &String| (1..=MAX_STOP_BYTES).contains(&stop.len());
    if stops.len() <= MAX_STOPS && stops.iter().all(fits) {
        return Ok(stops);
    }
    let message = format!("must be at most {MAX_STOPS} texts of 1 to {MAX_STOP_BYTES} bytes");
    Err(ApiError::invalid("stop", message))
}

fn schema(format: Option<RawFormat>) -> Result<Option<Value>, ApiError> {
    match format {
        None | Some(RawFormat::Text) => Ok(None),
        Some(RawFormat::JsonObject) => Ok(Some(json!({ "type": "object" }))),
        Some(RawFormat::JsonSchema { json_schema: RawSchema { schema: Some(schema) } }) => Ok(Some(schema)),
        Some(RawFormat::JsonSchema { .. }) => {
            Err(ApiError::invalid("response_format.json_schema.schema", "must be there"))
        }
    }
}

#[cfg(test)]
mod tests;
