//! One event of a streamed chat: what of it is passed on, and what it says about the bill.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    UpstreamError,
    completion::Finish,
    fields::Fields,
    usage::{Report, Shown},
};

/// An event.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Of the answer.
    Chunk(Chunk),
    /// `[DONE]`.
    Done,
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Its text.
    pub(crate) text: String,
    /// Tokens that it delivers at least: one where it holds anything that was generated.
    pub(crate) tokens: u64,
    pub(crate) finish: Option<Finish>,
    pub(crate) report: Option<Report>,
    /// Whether it holds nothing but what was used.
    pub(crate) is_usage_only: bool,
    /// As it came.
    pub(crate) fields: Fields,
}

#[derive(Deserialize)]
struct Written<'a> {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<Finish>,
}

/// What was generated, wherever servers put it.
#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    /// vLLM and DeepSeek, then newer vLLM.
    #[serde(default, alias = "reasoning")]
    reasoning_content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Deserialize)]
struct ToolCall {
    #[serde(default)]
    function: Function,
}

#[derive(Default, Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

impl Piece {
    /// Reads the data of an event.
    pub(crate) fn read(data: &str) -> Result<Self, UpstreamError> {
        if data.trim() == "[DONE]" {
            return Ok(Self::Done);
        }
        let malformed = |_| UpstreamError::Answer("an event of the stream is no part of an answer");
        let written: Written<'_> = serde_json::from_str(data).map_err(malformed)?;
        // OpenAI's and vLLM's way to fail in a stream that began well; then vLLM's older one.
        if written.error.is_some() || written.object.as_deref() == Some("error") {
            return Err(UpstreamError::Answer("it reported an error in its stream"));
        }
        if written.choices.len() > 1 {
            return Err(UpstreamError::Answer("it streams several answers and was asked for one"));
        }
        let fields = serde_json::from_str(data).map_err(malformed)?;
        Ok(Self::Chunk(Chunk::new(written, fields)))
    }

    /// Whether a stream that gave this has begun: from here on there is no falling back.
    pub(crate) fn is_beginning(&self) -> bool {
        match self {
            Self::Chunk(chunk) => chunk.tokens > 0 || chunk.finish.is_some(),
            Self::Done => true,
        }
    }
}

impl Chunk {
    fn new(written: Written<'_>, fields: Fields) -> Self {
        let report = written.usage.and_then(|usage| Report::read(usage.get()));
        let is_usage_only = written.choices.is_empty() && report.is_some();
        let choice = written.choices.into_iter().next();
        let finish = choice.as_ref().and_then(|choice| choice.finish_reason);
        let delta = choice.map(|choice| choice.delta).unwrap_or_default();
        let tokens = u64::from(delta.holds_anything());
        Self { text: delta.content.unwrap_or_default(), tokens, finish, report, is_usage_only, fields }
    }
}

/// An event as it is passed on: under the model's own name, and with what was used only where the
/// caller asked for it, once and as it is billed.
pub(crate) fn write(mut fields: Fields, model: &str, usage: Option<&Shown>) -> Result<String, serde_json::Error> {
    fields.set("model", model)?;
    match usage {
        Some(usage) => fields.set("usage", usage)?,
        None => drop(fields.take("usage")),
    }
    serde_json::to_string(&fields)
}

impl Delta {
    fn holds_anything(&self) -> bool {
        let is_some = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let mut calls = self.tool_calls.iter().flatten().map(|call| &call.function);
        [&self.content, &self.reasoning_content, &self.refusal].into_iter().any(is_some)
            || calls.any(|function| is_some(&function.name) || is_some(&function.arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(data: &str) -> Chunk {
        match Piece::read(data).unwrap() {
            Piece::Chunk(chunk) => chunk,
            Piece::Done => panic!("{data}"),
        }
    }

    #[test]
    fn counts_a_token_where_something_was_generated() {
        for (delta, tokens, text) in [
            (r#"{"role":"assistant","content":""}"#, 0, ""),
            (r#"{"content":"é"}"#, 1, "é"),
            (r#"{"reasoning_content":"hm"}"#, 1, ""),
            (r#"{"reasoning":"hm"}"#, 1, ""),
            (r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}"#, 1, ""),
            (r#"{"tool_calls":[{"index":0,"id":"x"}]}"#, 0, ""),
            (r#"{"content":null,"refusal":"no"}"#, 1, ""),
        ] {
            let chunk = chunk(&format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#));
            assert_eq!((chunk.tokens, chunk.text.as_str(), chunk.finish), (tokens, text, None), "{delta}");
        }
    }

    #[test]
    fn knows_the_end_and_what_it_says_was_used() {
        assert!(matches!(Piece::read(" [DONE]"), Ok(Piece::Done)));
        let end = chunk(r#"{"choices":[{"delta":{},"finish_reason":"length"}],"usage":null}"#);
        assert_eq!((end.finish, end.report.is_some(), end.is_usage_only), (Some(Finish::Length), false, false));
        let usage = chunk(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#);
        assert!(usage.is_usage_only && usage.report.is_some());
    }

    #[test]
    fn an_error_in_a_stream_is_an_error() {
        for data in [
            r#"{"error":{"message":"out of memory","code":500}}"#,
            r#"{"object":"error","message":"out of memory"}"#,
            r#"{"choices":[{"delta":{}},{"delta":{}}]}"#,
            "{",
            "null",
            r#"{"choices":7}"#,
        ] {
            assert!(matches!(Piece::read(data), Err(UpstreamError::Answer(_))), "{data}");
        }
    }

    #[test]
    fn passes_on_what_came_under_the_models_own_name() {
        let data = r#"{"id":"c-1","model":"/weights/x","choices":[{"delta":{"content":"\u00e9"},"logprobs":null}],"usage":null}"#;
        let expected = r#"{"id":"c-1","model":"smol","choices":[{"delta":{"content":"\u00e9"},"logprobs":null}]}"#;
        assert_eq!(write(chunk(data).fields, "smol", None).unwrap(), expected);
        let usage = Shown::from(sophia_domain::Tokens { input: 3, cached: 0, output: 4 });
        let shown = write(chunk(r#"{"model":"x","choices":[],"usage":{}}"#).fields, "smol", Some(&usage)).unwrap();
        assert_eq!(
            shown,
            r#"{"model":"smol","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#
        );
    }
}
