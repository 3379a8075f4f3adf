//! Completions as plugins ask for them: the shapes of `wit/models.wit`. They become the same
//! requests as a caller's, and take the same way.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use sophia_ledger::Used;

use crate::{ChatRequest, ModelError, fields::Fields, schema};

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// Whoever asks.
    User,
    /// The model's own earlier answer.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// What to complete.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompletionRequest {
    /// A class; never a model.
    pub class: String,
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Most tokens to generate. The model's own bound where none.
    pub max_output_tokens: Option<u32>,
    /// 0.0 is greedy.
    pub temperature: Option<f32>,
    /// Makes sampling repeatable where the upstream can.
    pub seed: Option<u64>,
    /// Strings at which generation ends. At most 4.
    pub stop: Vec<String>,
    /// JSON Schema that the answer must fit, as text.
    pub schema: Option<String>,
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model was done, met a stop string, or calls a tool.
    #[default]
    Stop,
    /// The bound on output tokens was met.
    Length,
    /// The answer was withheld.
    Filtered,
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text.
    pub content: String,
    /// Why it ended.
    pub finish: Finish,
    /// The model that answered.
    pub model: String,
    /// What it used.
    pub used: Used,
}

/// A piece of an answer, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompletionEvent {
    /// More text.
    Delta(String),
    /// The end. Nothing follows.
    Done(Completion),
}

impl CompletionRequest {
    /// The same request in OpenAI's JSON.
    pub(crate) fn into_chat(self, is_streamed: bool) -> Result<ChatRequest, ModelError> {
        let schema = self.schema.as_deref().map(read_schema).transpose()?;
        self.fields(schema, is_streamed).map_err(unwritable).and_then(ChatRequest::from_fields)
    }

    fn fields(&self, schema: Option<Value>, is_streamed: bool) -> Result<Fields, serde_json::Error> {
        let mut fields = Fields::default();
        fields.set("model", &self.class)?;
        fields.set("messages", &self.messages)?;
        fields.set("stream", &is_streamed)?;
        if let Some(max_output_tokens) = self.max_output_tokens {
            fields.set("max_tokens", &max_output_tokens)?;
        }
        if let Some(temperature) = self.temperature {
            fields.set("temperature", &temperature)?;
        }
        if let Some(seed) = self.seed {
            // APIs take a signed number. Which one it becomes does not matter, as long as it stays.
            fields.set("seed", &(seed & i64::MAX.unsigned_abs()))?;
        }
        if !self.stop.is_empty() {
            fields.set("stop", &self.stop)?;
        }
        if let Some(schema) = schema {
            let named = json!({"name": "answer", "strict": true, "schema": schema});
            fields.set("response_format", &json!({"type": "json_schema", "json_schema": named}))?;
        }
        Ok(fields)
    }
}

fn read_schema(text: &str) -> Result<Value, ModelError> {
    let schema = serde_json::from_str(text).map_err(|_| ModelError::invalid("schema", "the schema is not JSON"))?;
    schema::check(&schema)
        .map_err(|error| ModelError::invalid("schema", format!("this is no JSON Schema: {error}")))?;
    Ok(schema)
}

fn unwritable(error: serde_json::Error) -> ModelError {
    ModelError::Invalid { param: None, message: format!("the request cannot be written as JSON: {error}") }
}

impl<'de> Deserialize<'de> for Finish {
    /// OpenAI's words, and whatever else a server says, which is some way of being done.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "length" => Self::Length,
            "content_filter" => Self::Filtered,
            _ => Self::Stop,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> CompletionRequest {
        CompletionRequest {
            class: "fast".into(),
            messages: vec![Message { role: Role::User, content: "hi".into() }],
            max_output_tokens: None,
            temperature: None,
            seed: None,
            stop: Vec::new(),
            schema: None,
        }
    }

    #[test]
    fn becomes_a_callers_request_and_writes_only_what_was_said() {
        let fields = request().fields(None, false).unwrap();
        assert_eq!(
            serde_json::to_string(&fields).unwrap(),
            r#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"stream":false}"#
        );
        let all = CompletionRequest {
            max_output_tokens: Some(9),
            temperature: Some(0.5),
            seed: Some(u64::MAX),
            stop: vec!["x".into()],
            schema: Some(r#"{"type":"object"}"#.into()),
            ..request()
        };
        let chat = all.into_chat(true).unwrap();
        assert_eq!((chat.is_streamed(), chat.max_output_tokens), (true, Some(9)));
    }

    #[test]
    fn a_schema_or_a_number_that_cannot_be_is_refused() {
        for (schema, message) in
            [("{", "the schema is not JSON"), ("7", "this is no JSON Schema: a schema is a JSON object, at `/`")]
        {
            let error = CompletionRequest { schema: Some(schema.into()), ..request() }.into_chat(false).unwrap_err();
            assert_eq!(error, ModelError::invalid("schema", message));
        }
        for temperature in [f32::NAN, -1.0, 3.0] {
            let request = CompletionRequest { temperature: Some(temperature), ..request() };
            assert_eq!(request.into_chat(false).is_err(), !temperature.is_nan(), "a NaN is JSON's null: not said");
        }
    }
}
