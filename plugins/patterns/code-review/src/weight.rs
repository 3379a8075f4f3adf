//! How many tokens a text can be, without the model's own tokenizer.
//!
//! Byte-level vocabularies of 32,000 tokens and more make one token of 2.5 to 4 bytes of source
//! code, and at most one of each byte. So two bytes of ASCII count as a token, and every other
//! byte as a whole one: more than is used, and never by much. A weight is counted in half tokens,
//! so that the weight of a text is the sum of its parts' weights.

/// What a text counts, in half tokens.
pub(crate) fn weight(text: &str) -> usize {
    text.bytes().map(|byte| if byte.is_ascii() { 1 } else { 2 }).sum()
}

/// Half tokens as tokens, rounded up.
pub(crate) fn tokens(weight: usize) -> usize {
    weight.div_ceil(2)
}
