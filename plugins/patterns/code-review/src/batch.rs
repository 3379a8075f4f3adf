use crate::{
    text::quoted,
    weight::{tokens, weight},
};

/// Puts texts together, in order, as many as the budget holds. A text that is larger by itself
/// stands alone: what goes in here is bounded where it is made.
pub(crate) fn batches(texts: &[String], token_budget: usize) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let mut rest = texts;
    while let Some((batch, tail)) =
        rest.split_at_checked(fitting(rest, token_budget)).filter(|(batch, _)| !batch.is_empty())
    {
        batches.push(batch);
        rest = tail;
    }
    batches
}

/// How many of the texts, from the first on, the budget holds as a prompt quotes them. At least
/// one, if there is one.
pub(crate) fn fitting(texts: &[String], token_budget: usize) -> usize {
    let mut sum = 0;
    let n_fitting = texts.iter().take_while(|text| {
        sum += weight(&quoted(text));
        tokens(sum) <= token_budget
    });
    n_fitting.count().max(1).min(texts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_one_batch() {
        let texts: Vec<String> = [30, 30, 50, 900, 10, 80].map(|n| "x".repeat(n)).into();
        let sizes: Vec<usize> = batches(&texts, 50).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [2, 1, 1, 2]);
        assert_eq!(batches(&[], 50).len(), 0);
    }
}
