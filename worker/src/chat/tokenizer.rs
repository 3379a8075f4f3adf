//! Byte-level BPE as the model was trained with it, from the GGUF file's own vocabulary.
//!
//! Special tokens are found here, not by the `tokenizers` crate: which of them a text may contain
//! depends on who wrote it, see [`super::template`].

use aho_corasick::{AhoCorasick, MatchKind};
use candle_core::quantized::gguf_file::{Content, Value};
use tokenizers::{
    Tokenizer,
    models::bpe::BPE,
    pre_tokenizers::{byte_level::ByteLevel, digits::Digits, sequence::Sequence},
};

use super::model::{LoadError, metadata_list, metadata_text};

/// The GGUF type of a token that only a template may write.
const CONTROL: i64 = 3;
/// The pre-tokenizer that is built here: single digits, then GPT-2's byte level.
const PRE_TOKENIZER: &str = "smollm";

/// Why a text has no tokens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenizeError {
    /// The tokenizer failed.
    #[error("the text cannot be tokenized")]
    Encode(#[source] tokenizers::Error),
    /// The template failed.
    #[error("the messages do not fit the model's chat template")]
    Template(#[source] minijinja::Error),
}

/// Text to tokens and back. Built once with the model.
pub(crate) struct ChatTokenizer {
    bpe: Tokenizer,
    finder: AhoCorasick,
    /// In the order of the finder's patterns.
    specials: Vec<Special>,
    /// By id; empty for special tokens, which no answer shows.
    bytes: Vec<Vec<u8>>,
}

struct Special {
    text: String,
    id: u32,
}

impl ChatTokenizer {
    /// From the vocabulary in a GGUF file.
    pub(super) fn from_gguf(content: &Content) -> Result<Self, LoadError> {
        if metadata_text(content, "tokenizer.ggml.pre")? != PRE_TOKENIZER {
            return Err(LoadError::Metadata("tokenizer.ggml.pre"));
        }
        let tokens = texts(content, "tokenizer.ggml.tokens")?;
        let merges = texts(content, "tokenizer.ggml.merges")?;
        let types = metadata_list(content, "tokenizer.ggml.token_type")?;
        let specials: Vec<Special> = (0u32..)
            .zip(&tokens)
            .zip(types)
            .filter(|(_, kind)| matches!(kind, Value::I32(kind) if i64::from(*kind) == CONTROL))
            .map(|((id, text), _)| Special { text: (*text).to_owned(), id })
            .collect();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(specials.iter().map(|special| &special.text))
            .map_err(|_| LoadError::Metadata("tokenizer.ggml.token_type"))?;
        let mut bytes: Vec<Vec<u8>> = tokens.iter().map(|token| decode_byte_level(token)).collect();
        for special in &specials {
            if let Some(bytes) = usize::try_from(special.id).ok().and_then(|id| bytes.get_mut(id)) {
                bytes.clear();
            }
        }
        Ok(Self { bpe: build_bpe(&tokens, &merges)?, finder, specials, bytes })
    }

    /// The tokens of a text, special ones included.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        self.encode_parts(text, |ordinary| ordinary.to_owned())
    }

    /// As [`Self::encode`], with each part that lies between special tokens changed first.
    pub(super) fn encode_parts(&self, text: &str, change: impl Fn(&str) -> String) -> Result<Vec<u32>, TokenizeError> {
        let mut ids = Vec::new();
        let mut rest = 0;
        for found in self.finder.find_iter(text) {
            self.encode_ordinary(&change(text.get(rest..found.start()).unwrap_or_default()), &mut ids)?;
            ids.extend(self.specials.get(found.pattern().as_usize()).map(|special| special.id));
            rest = found.end();
        }
        self.encode_ordinary(&change(text.get(rest..).unwrap_or_default()), &mut ids)?;
        Ok(ids)
    }

    fn encode_ordinary(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), TokenizeError> {
        if !text.is_empty() {
            let encoding = self.bpe.encode_fast(text, false).map_err(TokenizeError::Encode)?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(())
    }

    /// The bytes that a token stands for; none for a special one. Not UTF-8 by itself.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        usize::try_from(token).ok().and_then(|id| self.bytes.get(id)).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The id of a special token.
    pub(super) fn special(&self, text: &str) -> Option<u32> {
        self.specials.iter().find(|special| special.text == text).map(|special| special.id)
    }

    /// Ids and texts of all special tokens.
    pub(super) fn specials(&self) -> impl Iterator<Item = (u32, &str)> {
        self.specials.iter().map(|special| (special.id, special.text.as_str()))
    }

    /// The characters that special tokens begin with.
    pub(super) fn special_starts(&self) -> Vec<char> {
        let mut starts: Vec<char> = self.specials.iter().filter_map(|special| special.text.chars().next()).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }
}

fn build_bpe(tokens: &[&str], merges: &[&str]) -> Result<Tokenizer, LoadError> {
    let vocabulary: ahash::AHashMap<String, u32> = tokens.iter().map(|token| (*token).to_owned()).zip(0..).collect();
    let merges = merges.iter().map(|merge| {
        let (left, right) = merge.split_once(' ').ok_or(LoadError::Metadata("tokenizer.ggml.merges"))?;
        Ok((left.to_owned(), right.to_owned()))
    });
    let merges = merges.collect::<Result<Vec<_>, LoadError>>()?;
    let bpe = BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(LoadError::Vocabulary)?;
    let mut tokenizer = Tokenizer::new(bpe);
    let steps = vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok(tokenizer)
}

fn texts<'a>(content: &'a Content, key: &'static str) -> Result<Vec<&'a str>, LoadError> {
    let values = metadata_list(content, key)?.iter();
    let texts = values.map(|value| value.to_string().map(String::as_str).map_err(|_| LoadError::Metadata(key)));
    texts.collect()
}

/// The bytes of a token written in GPT-2's alphabet, in which every byte is a printable character.
fn decode_byte_level(token: &str) -> Vec<u8> {
    token.chars().filter_map(byte_of).collect()
}

/// GPT-2's table: printable Latin-1 stands for itself, the 68 other bytes follow from U+0100 on
/// (`bytes_to_unicode` in openai/gpt-2, `src/encoder.py`).
fn byte_of(character: char) -> Option<u8> {
    let stands_for_itself = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => Some(byte).filter(stands_for_itself),
        Err(_) => {
            let place = usize::try_from(code.checked_sub(0x100)?).ok()?;
            (0..=u8::MAX).filter(|byte| !stands_for_itself(byte)).nth(place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_byte_alphabet() {
        assert_eq!(decode_byte_level("Ġthe"), b" the");
        assert_eq!(decode_byte_level("Ċ"), b"\n");
        assert_eq!(decode_byte_level("Ã¤"), "ä".as_bytes());
        let all: Vec<u8> = (0..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..=u8::MAX).collect::<Vec<_>>());
    }
}
