//! Answers that fit a JSON schema, by letting the model say only tokens that can still fit.
//!
//! `llguidance` does the work, as it does in vLLM and llama.cpp: it turns the schema into a grammar
//! and says before each token which ones the grammar allows. A keyword that it does not implement
//! is an error, never ignored. Local `$ref` only: nothing is fetched.

use std::sync::Arc;

use llguidance::{Matcher, ParserFactory, api::TopLevelGrammar};
use serde_json::{Value, json};
use toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};

use super::tokenizer::ChatTokenizer;

/// Symbols of a compiled grammar. The largest schema in llguidance's own benchmarks takes 200,000;
/// this many take a node with little memory no more than some MB.
const MAX_GRAMMAR_SYMBOLS: usize = 50_000;
/// The key under which llguidance takes options within a schema.
const OPTIONS: &str = "x-guidance";

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be used")]
pub(crate) struct SchemaError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Why an answer cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("the grammar takes no more tokens")]
pub(crate) struct ConstraintError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Compiles schemas for one vocabulary. Built once with the model.
pub(super) struct Schemas {
    factory: ParserFactory,
}

/// What one answer may still say.
pub(crate) struct Constraint(Matcher);

impl Schemas {
    /// For the vocabulary of `tokenizer`, in which `ends` end an answer.
    pub(super) fn new(tokenizer: &ChatTokenizer, ends: &[u32]) -> Result<Self, SchemaError> {
        let end = ends.first().copied().unwrap_or_default();
        let n_tokens = u32::try_from(tokenizer.len()).map_err(|error| SchemaError(error.into()))?;
        let mut words: Vec<Vec<u8>> = (0..n_tokens).map(|id| tokenizer.bytes(id).to_vec()).collect();
        for (id, text) in tokenizer.specials() {
            if let Some(word) = usize::try_from(id).ok().and_then(|id| words.get_mut(id)) {
                word.push(TokTrie::SPECIAL_TOKEN_MARKER);
                word.extend_from_slice(text.as_bytes());
            }
        }
        let trie = TokTrie::from(&TokRxInfo::new(n_tokens, end), &words).with_eos_tokens(ends);
        // Approximate concerns tokens that the grammar would force; here the model says each itself.
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment).map_err(|error| SchemaError(error.into()))?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.max_grammar_size = MAX_GRAMMAR_SYMBOLS;
        // They hold the answer so far, which is not for a log.
        limits.verbose_errors = false;
        Ok(Self { factory })
    }

    /// From a schema, which anybody may have written. Takes milliseconds; fuel bounds it.
    pub(super) fn compile(&self, mut schema: Value) -> Result<Constraint, SchemaError> {
        if let Some(schema) = schema.as_object_mut() {
            schema.insert(OPTIONS.to_owned(), spacing());
        }
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let mut matcher = Matcher::new(parser);
        // Some schemas are seen to be empty only now.
        matcher.compute_mask().map_err(|error| SchemaError(error.into()))?;
        Ok(Constraint(matcher))
    }
}

impl Constraint {
    /// The tokens that may come next.
    pub(super) fn allowed(&mut self) -> Result<SimpleVob, ConstraintError> {
        self.0.compute_mask_or_eos().map_err(|error| ConstraintError(error.into()))
    }

    /// Takes a token that was allowed.
    pub(super) fn accept(&mut self, token: u32) -> Result<(), ConstraintError> {
        self.0.consume_token(token).map_err(|error| ConstraintError(error.into()))
    }

    /// Whether nothing can come any more.
    pub(super) fn is_complete(&self) -> bool {
        self.0.is_stopped()
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint").finish_non_exhaustive()
    }
}

/// One space after `,` and `:` and no other, as most JSON in the training data has it. Free
/// whitespace lets a small model write line breaks until its tokens are used up.
fn spacing() -> Value {
    json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " })
}
