//! What is asked of a chat model, in OpenAI's own JSON.
//!
//! Every field is known or refused, because a field that is merely passed on could change what the
//! answer costs: several answers, audio, a search. What is passed on stays as it was written.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::{
    ModelError,
    config::UpstreamKind,
    fields::{Fields, shortened},
    prompt::PromptBound,
    schema,
};

/// A request that was read and bounded. One per call; its messages are not copied again until
/// they are sent.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    pub(crate) target: String,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) is_streamed: bool,
    /// Whether the caller wants the event that says what a stream used.
    pub(crate) wants_usage: bool,
    pub(crate) prompt: PromptBound,
    /// As they were written, but for what this node decides.
    fields: Fields,
}

/// Fields that change how an answer is made, and neither how many there are nor what they cost
/// beyond the bound on tokens. Some are workers' own (vLLM, llama.cpp).
const PASSED_ON: [&str; 27] = [
    "messages",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "typical_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "stop_token_ids",
    "ignore_eos",
    "min_tokens",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "reasoning_effort",
    "verbosity",
    "chat_template_kwargs",
    "user",
];

/// Fields that change nothing about the answer. They stay here.
const NOT_PASSED_ON: [&str; 4] = ["metadata", "store", "safety_identifier", "prompt_cache_key"];

/// Most messages of a prompt. A conversation with one agent has some hundred.
const MAX_MESSAGES: usize = 4096;

/// OpenAI's own bound.
const MAX_STOPS: usize = 4;

const STOPS: &str = "a string, or a list of up to four";

/// OpenAI's own bound.
const MAX_TOOLS: usize = 128;

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stops {
    One(#[expect(dead_code, reason = "read to be seen to be a string")] String),
    Some(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, alias = "refusal")]
    text: Option<String>,
}

impl ChatRequest {
    /// Reads a request's body. Whoever received it has bounded its size.
    pub fn parse(body: &[u8]) -> Result<Self, ModelError> {
        let fields = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        Self::from_fields(fields)
    }

    /// Whether the answer is to be streamed.
    pub fn is_streamed(&self) -> bool {
        self.is_streamed
    }

    /// The model or class that is asked for.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn from_fields(mut fields: Fields) -> Result<Self, ModelError> {
        fields.drop_nulls();
        let target = required(&mut fields, "model", "the name of a model or a class")?;
        let max_output_tokens = take_max_tokens(&mut fields)?;
        let is_streamed = take(&mut fields, "stream", "true or false")?.unwrap_or_default();
        let options: Option<StreamOptions> = take(&mut fields, "stream_options", "an object")?;
        refuse_several(&mut fields)?;
        for name in NOT_PASSED_ON {
            fields.take(name);
        }
        if let Some(name) = fields.names().find(|name| !PASSED_ON.contains(name)) {
            return Err(ModelError::invalid(
                &shortened(name),
                format!("the field `{}` is not served here", shortened(name)),
            ));
        }
        check_fields(&fields)?;
        let prompt = read_prompt(&fields)?;
        let wants_usage = options.and_then(|options| options.include_usage).unwrap_or_default();
        Ok(Self { target, max_output_tokens, is_streamed, wants_usage, prompt, fields })
    }

    /// The messages, and what else a tokenizer must see of the prompt.
    pub(crate) fn prompt_fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.fields.iter().filter(|(name, _)| matches!(*name, "messages" | "tools" | "chat_template_kwargs"))
    }

    /// What is sent: the caller's fields, a bound on tokens always, and for a stream that it says
    /// what it used.
    pub(crate) fn body(&self, to: &ChatTarget<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let mut fields = self.fields.clone();
        fields.set("model", to.model)?;
        // OpenAI's newer models refuse the old name, and some workers do not know the new one.
        let max_tokens = match to.kind {
            UpstreamKind::Worker => "max_tokens",
            UpstreamKind::Provider => "max_completion_tokens",
        };
        fields.set(max_tokens, &to.max_output_tokens)?;
        if let Some(options) = to.stream_options {
            fields.set("stream", &true)?;
            fields.set("stream_options", options)?;
        }
        serde_json::to_vec(&fields)
    }
}

/// What a request becomes for one upstream.
pub(crate) struct ChatTarget<'a> {
    /// The upstream's name for the model.
    pub(crate) model: &'a str,
    pub(crate) kind: UpstreamKind,
    pub(crate) max_output_tokens: u64,
    /// For a stream.
    pub(crate) stream_options: Option<&'a Value>,
}

/// Both names, of which OpenAI's API takes either.
fn take_max_tokens(fields: &mut Fields) -> Result<Option<u64>, ModelError> {
    let mut asked = None;
    for name in ["max_tokens", "max_completion_tokens"] {
        let max: Option<u64> = take(fields, name, "a whole number from 1")?;
        if max == Some(0) {
            return Err(wrong(name, "a whole number from 1"));
        }
        asked = max.or(asked);
    }
    Ok(asked)
}

/// What would make several answers, of which each costs.
fn refuse_several(fields: &mut Fields) -> Result<(), ModelError> {
    for name in ["n", "best_of"] {
        if take::<u64>(fields, name, "1")?.is_some_and(|n| n != 1) {
            return Err(ModelError::invalid(name, format!("only one answer is made: `{name}` is 1")));
        }
    }
    Ok(())
}

fn check_fields(fields: &Fields) -> Result<(), ModelError> {
    let temperature: Option<f64> = read(fields, "temperature", "a number from 0 to 2")?;
    if temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
        return Err(wrong("temperature", "a number from 0 to 2"));
    }
    read::<i64>(fields, "seed", "a whole number of 64 bits")?;
    if matches!(read(fields, "stop", STOPS)?, Some(Stops::Some(stops)) if stops.len() > MAX_STOPS) {
        return Err(wrong("stop", STOPS));
    }
    let tools: Option<Vec<&RawValue>> = read(fields, "tools", "a list of tools")?;
    if tools.is_some_and(|tools| tools.len() > MAX_TOOLS) {
        return Err(ModelError::invalid("tools", "there are more than 128 tools"));
    }
    check_template_kwargs(fields)?;
    match fields.get("response_format") {
        Some(format) => check_response_format(format),
        None => Ok(()),
    }
}

/// Switches of a chat template, such as `enable_thinking`. A text could be a template itself, which
/// writes a prompt of any length (CVE-2025-61620 in vLLM).
fn check_template_kwargs(fields: &Fields) -> Result<(), ModelError> {
    const WHAT: &str = "an object of numbers, true and false";
    let switches: Option<BTreeMap<String, Value>> = read(fields, "chat_template_kwargs", WHAT)?;
    let is_switch = |value: &Value| value.is_boolean() || value.is_number();
    match switches {
        Some(switches) if !switches.values().all(is_switch) => Err(wrong("chat_template_kwargs", WHAT)),
        _ => Ok(()),
    }
}

/// A schema that cannot be is refused here, before any money is held.
fn check_response_format(format: &RawValue) -> Result<(), ModelError> {
    let format: Value = serde_json::from_str(format.get()).map_err(|_| format_error("is an object"))?;
    match format.get("type").and_then(Value::as_str) {
        Some("text" | "json_object") => Ok(()),
        Some("json_schema") => {
            let schema =
                format.pointer("/json_schema/schema").ok_or_else(|| format_error("has a `json_schema.schema`"))?;
            let invalid = |error| ModelError::invalid("response_format", format!("this is no JSON Schema: {error}"));
            schema::check(schema).map_err(invalid)
        }
        _ => Err(format_error("has a type of text, json_object or json_schema")),
    }
}

fn format_error(what: &str) -> ModelError {
    ModelError::invalid("response_format", format!("`response_format` {what}"))
}

/// Reads the messages, and sums up what they are at most.
fn read_prompt(fields: &Fields) -> Result<PromptBound, ModelError> {
    let messages: Option<Vec<Fields>> = read(fields, "messages", "a list of messages")?;
    let messages = messages.unwrap_or_default();
    if !(1..=MAX_MESSAGES).contains(&messages.len()) {
        return Err(ModelError::invalid("messages", format!("there are 1 to {MAX_MESSAGES} messages")));
    }
    let mut bound = PromptBound::of_chat();
    for (n, message) in messages.iter().enumerate() {
        add_message(&mut bound, message).map_err(|what| ModelError::invalid(&format!("messages[{n}]"), what))?;
    }
    for (name, value) in fields.iter() {
        match name {
            "tools" | "functions" => bound.add_tools(value),
            "response_format" | "chat_template_kwargs" => bound.add_json(value),
            _ => {}
        }
    }
    Ok(bound)
}

fn add_message(bound: &mut PromptBound, message: &Fields) -> Result<(), String> {
    let role: Option<String> = message.get("role").and_then(|role| serde_json::from_str(role.get()).ok());
    if !role.is_some_and(|role| ROLES.contains(&role.as_str())) {
        return Err(format!("a message has a role, one of {}", ROLES.join(", ")));
    }
    match message.get("content").map(RawValue::get) {
        None | Some("null") => bound.add_message(""),
        Some(content) => bound.add_message(&text_of(content)?),
    }
    for (name, value) in message.iter().filter(|(name, _)| !matches!(*name, "role" | "content")) {
        bound.add_message(name);
        bound.add_json(value);
    }
    Ok(())
}

/// The text of a message. A picture or a sound is refused: its tokens cannot be told from its bytes.
fn text_of(content: &str) -> Result<String, String> {
    let content: Content = serde_json::from_str(content).map_err(|_| "`content` is a text or a list of parts")?;
    let parts = match content {
        Content::Text(text) => return Ok(text),
        Content::Parts(parts) => parts,
    };
    let mut whole = String::new();
    for part in parts {
        if !matches!(part.kind.as_str(), "text" | "refusal") {
            return Err(format!("only parts of type `text` are served, not `{}`", shortened(&part.kind)));
        }
        whole.push_str(&part.text.ok_or("a part of type `text` has a `text`")?);
        whole.push('\n');
    }
    Ok(whole)
}

pub(crate) fn not_json(error: &serde_json::Error) -> ModelError {
    ModelError::Invalid { param: None, message: format!("the body is not the JSON that it should be: {error}") }
}

pub(crate) fn required<T: DeserializeOwned>(fields: &mut Fields, name: &str, what: &str) -> Result<T, ModelError> {
    take(fields, name, what)?.ok_or_else(|| ModelError::invalid(name, format!("`{name}` is missing: write {what}")))
}

/// Takes a field out and reads it.
pub(crate) fn take<T: DeserializeOwned>(fields: &mut Fields, name: &str, what: &str) -> Result<Option<T>, ModelError> {
    fields.take_as(name).map_err(|_| wrong(name, what))
}

/// Reads a field and leaves it where it is.
fn read<'a, T: Deserialize<'a>>(fields: &'a Fields, name: &str, what: &str) -> Result<Option<T>, ModelError> {
    fields.get(name).map(|value| serde_json::from_str(value.get())).transpose().map_err(|_| wrong(name, what))
}

fn wrong(name: &str, what: &str) -> ModelError {
    ModelError::invalid(name, format!("`{name}` is {what}"))
}

#[cfg(test)]
mod tests;
