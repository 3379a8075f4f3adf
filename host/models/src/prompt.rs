//! How many tokens a prompt has at most, told from its bytes alone.
//!
//! ```text
//! bound = 256                            begin, generation prompt, a template's own system lines
//!       + Σ messages (64 + bytes of its text + json(its other fields))
//!       + json(tools) + json(schema)     1,024 more where there are tools
//! ```
//!
//! A tokenizer makes at most one token of a byte: byte-level vocabularies hold every byte, and
//! byte-fallback ones end there. The marks that a chat template puts around a message are well
//! under 64 bytes in the templates of Llama 2 to 4, Qwen, Mistral, Gemma, Phi and SmolLM2; the
//! longest instruction that one adds for tools (Llama 3.1) is under 1,024. `json` is the length
//! of a value as templates write it: `tojson(indent=4)` of Jinja, which escapes `<`, `>`, `&` and
//! `'` and may escape what is not ASCII.
//!
//! Not bounded by this: a tokenizer that normalises by NFKC can make more bytes of a few rare
//! characters. What is billed is brought within the bound, and marked.

use std::io;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::value::RawValue;

const PER_PROMPT: u64 = 256;
const PER_MESSAGE: u64 = 64;
const WITH_TOOLS: u64 = 1024;

/// Special tokens around a text that is embedded.
const PER_TEXT: u64 = 8;

/// A prompt's tokens, summed up as it is read. One per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PromptBound(u64);

impl PromptBound {
    pub(crate) fn of_chat() -> Self {
        Self(PER_PROMPT)
    }

    /// The bound of texts to embed: their bytes and what stands around each.
    pub(crate) fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(texts.into_iter().map(|text| PER_TEXT + text.len() as u64).sum())
    }

    pub(crate) fn add_message(&mut self, text: &str) {
        self.0 += PER_MESSAGE + text.len() as u64;
    }

    pub(crate) fn add_tools(&mut self, tools: &RawValue) {
        self.0 += WITH_TOOLS;
        self.add_json(tools);
    }

    pub(crate) fn add_json(&mut self, json: &RawValue) {
        self.0 += json_bound(json);
    }

    pub(crate) fn tokens(self) -> u64 {
        self.0
    }
}

/// Counts bytes as Jinja would write them.
#[derive(Default)]
struct Weigh(u64);

impl io::Write for Weigh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.iter().map(|byte| weight(*byte)).sum::<u64>();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `\u003c` takes six bytes; `\uXXXX` for two bytes of UTF-8, or a pair of them for four, takes
/// three for each.
fn weight(byte: u8) -> u64 {
    match byte {
        b'<' | b'>' | b'&' | b'\'' => 6,
        0x80.. => 3,
        _ => 1,
    }
}

fn json_bound(json: &RawValue) -> u64 {
    let mut weigh = Weigh::default();
    let value: Result<serde_json::Value, _> = serde_json::from_str(json.get());
    let written = value.and_then(|value| {
        value.serialize(&mut Serializer::with_formatter(&mut weigh, PrettyFormatter::with_indent(b"    ")))
    });
    match written {
        Ok(()) => weigh.0,
        // Nested deeper than is read here. So deep it cannot be indented by more than its length.
        Err(_) => (json.get().len() as u64).saturating_pow(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> u64 {
        json_bound(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn bounds_json_as_templates_write_it() {
        assert_eq!(json("7"), 1);
        assert_eq!(json(r#"{"a":[1,2]}"#), "{\n    \"a\": [\n        1,\n        2\n    ]\n}".len() as u64);
        assert_eq!(json("\"é\""), r#""\u00e9""#.len() as u64);
        assert_eq!(json("\"<\""), r#""\u003c""#.len() as u64);
        assert!(json(&format!("{}{}", "[".repeat(500), "]".repeat(500))) >= 500 * 500 * 4);
    }

    #[test]
    fn bounds_a_chat_and_texts() {
        let mut bound = PromptBound::of_chat();
        bound.add_message("four");
        bound.add_message("é");
        assert_eq!(bound.tokens(), 256 + 64 + 4 + 64 + 2);
        assert_eq!(PromptBound::of_texts(["four", ""]).tokens(), 8 + 4 + 8);
    }
}
