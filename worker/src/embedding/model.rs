//! all-MiniLM-L6-v2 in candle's BERT, pooled as its model card says: the mean of the tokens'
//! vectors without padding, then scaled to length 1.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::Tokenizer;

/// Why the model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The configuration is not BERT's.
    #[error("the configuration cannot be used")]
    Config(#[from] serde_json::Error),
    /// The tensors do not fit the configuration.
    #[error("the weights cannot be used")]
    Weights(#[from] candle_core::Error),
    /// The tokenizer cannot be built.
    #[error("the tokenizer cannot be used")]
    Tokenizer(#[source] tokenizers::Error),
    /// The tokenizer has no such token.
    #[error("the tokenizer has no token {0}")]
    Special(&'static str),
}

/// Why a text has no tokens.
#[derive(Debug, thiserror::Error)]
#[error("the text cannot be tokenized")]
pub(crate) struct TokenizeError(#[source] tokenizers::Error);

/// The model and its tokenizer. Loaded once at start.
pub(crate) struct EmbeddingModel {
    bert: BertModel,
    tokenizer: Tokenizer,
    /// `[CLS]`, which begins each input.
    begin: u32,
    /// `[SEP]`, which ends it.
    end: u32,
    vocabulary: usize,
}

impl EmbeddingModel {
    /// Length of a vector.
    pub(crate) const DIMENSIONS: usize = 384;
    /// Tokens of an input, the two special ones included: the model was trained no further.
    pub(crate) const CONTEXT: usize = 256;

    /// From the contents of `config.json`, `tokenizer.json` and `model.safetensors`.
    pub(crate) fn load(config: &[u8], tokenizer: &[u8], weights: Vec<u8>) -> Result<Self, LoadError> {
        let config: Config = serde_json::from_slice(config)?;
        let mut tokenizer = Tokenizer::from_bytes(tokenizer).map_err(LoadError::Tokenizer)?;
        // The file pads to 128 and cuts there; here a batch is padded to its longest, and what is
        // too long is refused or cut by whoever asked.
        tokenizer.with_padding(None).with_truncation(None).map_err(LoadError::Tokenizer)?;
        let special = |text| tokenizer.token_to_id(text).ok_or(LoadError::Special(text));
        let (begin, end) = (special("[CLS]")?, special("[SEP]")?);
        let variables = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let bert = BertModel::load(variables, &config)?;
        Ok(Self { bert, tokenizer, begin, end, vocabulary: config.vocab_size })
    }

    /// The tokens of a text between the two special ones, however many; cut to `at_most` if given.
    pub(crate) fn tokens(&self, text: &str, at_most: Option<usize>) -> Result<Vec<u32>, TokenizeError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(TokenizeError)?;
        let room = at_most.map_or(usize::MAX, |at_most| at_most.saturating_sub(2));
        let ids = encoding.get_ids().iter().copied().take(room);
        Ok(std::iter::once(self.begin).chain(ids).chain([self.end]).collect())
    }

    /// Whether every token exists.
    pub(crate) fn knows(&self, tokens: &[u32]) -> bool {
        tokens.iter().all(|token| usize::try_from(*token).is_ok_and(|token| token < self.vocabulary))
    }

    /// The vectors of a batch of inputs, none of which is empty or over [`Self::CONTEXT`].
    pub(super) fn embed(&self, batch: &[&[u32]]) -> candle_core::Result<Vec<Vec<f32>>> {
        let longest = batch.iter().map(|input| input.len()).max().unwrap_or(0);
        let shape = (batch.len(), longest);
        let padded = |value_of: fn(&u32) -> u32| -> Vec<u32> {
            let rows = batch.iter().map(|input| input.iter().map(value_of).chain(std::iter::repeat(0)).take(longest));
            rows.flatten().collect()
        };
        let ids = Tensor::from_vec(padded(|id| *id), shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(padded(|_| 1), shape, &Device::Cpu)?;
        let hidden = self.bert.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        normalise(&mean(&hidden, &mask)?)?.to_vec2()
    }
}

/// The mean over the tokens where `mask` is 1: (batch, tokens, dimensions) to (batch, dimensions).
fn mean(hidden: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
    let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
    let sum = hidden.broadcast_mul(&mask)?.sum(1)?;
    sum.broadcast_div(&mask.sum(1)?)
}

fn normalise(vectors: &Tensor) -> candle_core::Result<Tensor> {
    vectors.broadcast_div(&vectors.sqr()?.sum_keepdim(1)?.sqrt()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_without_padding() {
        let hidden = Tensor::new(&[[[3f32, 0.0], [3.0, 8.0], [9.0, 9.0]]], &Device::Cpu).unwrap();
        let mask = Tensor::new(&[[1u32, 1, 0]], &Device::Cpu).unwrap();
        let vectors = normalise(&mean(&hidden, &mask).unwrap()).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(vectors, [[0.6, 0.8]]);
    }
}
