//! Which inputs are computed together.

/// Inputs in a batch. Measured: 9.6 ms for a short text alone, 3.8 ms each in a batch of 32, and
/// no better beyond.
pub(super) const MAX_INPUTS: usize = 32;
/// Tokens in a batch, padding included: bounds one copy of the scores of attention to 25 MB
/// (8 inputs × 12 heads × 256 × 256 × 4 bytes), of which candle holds some at a time. Measured,
/// twice as many take 300 MB more and are no faster.
const MAX_TOKENS: usize = 2_048;

/// Batches of places in `lengths`, each place once. Like lengths stand together, since the longest
/// of a batch is what each of it costs.
pub(super) fn plan(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut places: Vec<(usize, usize)> = lengths.iter().copied().enumerate().collect();
    places.sort_by_key(|(_, length)| std::cmp::Reverse(*length));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    // The first of a batch is its longest.
    let mut longest = 0;
    for (place, length) in places {
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_INPUTS && (batch.len() + 1) * longest <= MAX_TOKENS => batch.push(place),
            _ => {
                longest = length;
                batches.push(vec![place]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_like_lengths_together() {
        assert_eq!(plan(&[3, 9, 3, 7]), [[1, 3, 0, 2]]);
        assert!(plan(&[]).is_empty());
    }

    #[test]
    fn bounds_a_batch_by_inputs_and_by_padded_tokens() {
        let sizes = |lengths: &[usize]| plan(lengths).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&[5; 70]), [32, 32, 6]);
        assert_eq!(sizes(&[256; 40]), [8; 5]);
        let mut mixed = vec![4; 20];
        mixed.push(256);
        assert_eq!(sizes(&mixed), [8, 13]);
    }
}
