//! What is asked of an embedding model, in OpenAI's own JSON.

use serde::{Deserialize, Serialize};

use crate::{
    ModelError,
    chat_request::{not_json, required, take},
    fields::{Fields, shortened},
    prompt::PromptBound,
};

/// A request that was read and bounded. One per call.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    pub(crate) target: String,
    pub(crate) texts: Vec<String>,
    pub(crate) dimensions: Option<u32>,
    pub(crate) encoding: Encoding,
}

/// How vectors are written in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As JSON numbers.
    #[default]
    Float,
    /// As the base64 of little-endian `f32`, which OpenAI's own client asks for.
    Base64,
}

/// OpenAI's own bound.
const MAX_TEXTS: usize = 2048;

/// All texts together. OpenAI's bound is 300,000 tokens, of some four bytes each.
const MAX_BYTES: usize = 4 << 20;

/// More than any model has.
const MAX_DIMENSIONS: u32 = 1 << 16;

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Several(Vec<String>),
}

/// What is sent. Floats are asked for, because not every worker can write base64, and never a
/// `null`: one stopped embeddings for hours elsewhere.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

impl EmbedRequest {
    /// Reads a request's body. Whoever received it has bounded its size.
    pub fn parse(body: &[u8]) -> Result<Self, ModelError> {
        let mut fields: Fields = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        fields.drop_nulls();
        let target = required(&mut fields, "model", "the name of a model or a class")?;
        let input: Input = required(&mut fields, "input", "a text or a list of texts")?;
        let encoding = take(&mut fields, "encoding_format", "float or base64")?.unwrap_or_default();
        let dimensions = take(&mut fields, "dimensions", "a whole number from 1 to 65536")?;
        // Says who asks, for the provider's own purposes.
        fields.take("user");
        if let Some(name) = fields.names().next() {
            return Err(ModelError::invalid(
                &shortened(name),
                format!("the field `{}` is not served here", shortened(name)),
            ));
        }
        let texts = match input {
            Input::One(text) => vec![text],
            Input::Several(texts) => texts,
        };
        Self { target, texts, dimensions, encoding }.checked()
    }

    /// A plugin's texts.
    pub(crate) fn of_texts(class: String, texts: Vec<String>) -> Result<Self, ModelError> {
        Self { target: class, texts, dimensions: None, encoding: Encoding::Float }.checked()
    }

    /// How the caller wants the vectors written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The model or class that is asked for.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn prompt(&self) -> PromptBound {
        PromptBound::of_texts(self.texts.iter().map(String::as_str))
    }

    pub(crate) fn body(&self, model: &str) -> Result<Vec<u8>, serde_json::Error> {
        let Self { texts, dimensions, .. } = self;
        serde_json::to_vec(&Body { model, input: texts, encoding_format: "float", dimensions: *dimensions })
    }

    fn checked(self) -> Result<Self, ModelError> {
        let n_bytes: usize = self.texts.iter().map(String::len).sum();
        if !(1..=MAX_TEXTS).contains(&self.texts.len()) {
            return Err(ModelError::invalid("input", format!("there are 1 to {MAX_TEXTS} texts")));
        }
        if n_bytes > MAX_BYTES {
            return Err(ModelError::invalid(
                "input",
                format!("the texts are {n_bytes} bytes together, and may be {MAX_BYTES}"),
            ));
        }
        if self.texts.iter().any(String::is_empty) {
            return Err(ModelError::invalid("input", "no text is empty"));
        }
        if self.dimensions.is_some_and(|n| !(1..=MAX_DIMENSIONS).contains(&n)) {
            return Err(ModelError::invalid("dimensions", "`dimensions` is a whole number from 1 to 65536"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_text_or_several_and_sends_no_null() {
        let one = EmbedRequest::parse(br#"{"model":"embed","input":"a","dimensions":null,"encoding_format":"base64"}"#)
            .unwrap();
        assert_eq!((one.encoding(), one.prompt().tokens()), (Encoding::Base64, 9));
        let sent = one.body("MiniLM").unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), r#"{"model":"MiniLM","input":["a"],"encoding_format":"float"}"#);
        let two = EmbedRequest::parse(br#"{"model":"embed","input":["a","b"],"dimensions":64,"user":"u"}"#).unwrap();
        assert!(String::from_utf8(two.body("m").unwrap()).unwrap().ends_with(r#""dimensions":64}"#));
    }

    #[test]
    fn refuses_what_is_no_text_or_too_much_of_it() {
        let many = serde_json::json!({"model": "m", "input": vec!["x"; MAX_TEXTS + 1]}).to_string();
        let large = serde_json::json!({"model": "m", "input": "x".repeat(MAX_BYTES + 1)}).to_string();
        for (json, param) in [
            (r#"{"model":"m","input":[1,2,3]}"#, "input"),
            (r#"{"model":"m","input":[]}"#, "input"),
            (r#"{"model":"m","input":["a",""]}"#, "input"),
            (r#"{"model":"m"}"#, "input"),
            (r#"{"input":"a"}"#, "model"),
            (r#"{"model":"m","input":"a","encoding_format":"hex"}"#, "encoding_format"),
            (r#"{"model":"m","input":"a","dimensions":0}"#, "dimensions"),
            (r#"{"model":"m","input":"a","truncate":true}"#, "truncate"),
            (&many, "input"),
            (&large, "input"),
        ] {
            let error = EmbedRequest::parse(json.as_bytes()).unwrap_err();
            assert!(matches!(&error, ModelError::Invalid { param: Some(p), .. } if p == param), "{error:?}");
        }
    }
}
