use sophia_domain::{Tokens, Usd};
use sophia_store::ledger::Outcome;

/// What a call used. One per call, or one each time that more of a stream was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// How many tokens.
    pub tokens: Tokens,
    /// What they cost at the model's prices.
    pub cost: Usd,
    /// Whether it was worked out here, and not reported by the worker.
    pub is_estimated: bool,
}

/// How a hold came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Somebody said what was used.
    Settled(Used),
    /// It was dropped; so much was used at least.
    Abandoned(Option<Used>),
}

/// What is billed for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// How many tokens are on record.
    pub tokens: Tokens,
    /// What is billed; never more than was held.
    pub cost: Usd,
    /// What was asked for, where that was more than was held.
    pub claimed: Option<Usd>,
    /// Whether the usage was worked out here.
    pub is_estimated: bool,
    /// How the hold ended.
    pub outcome: Outcome,
}

/// More tokens than any model takes, by a factor of a thousand. A worker that reports more is
/// wrong, and counts beyond it could not be added up.
const MAX_TOKENS: u64 = 1 << 32;

/// What is billed at the end of a hold of `upper`. A cost above it is not: the budget let no more
/// through, and a worker that reports nonsense must not empty it. It stays on record as claimed.
pub(crate) fn bill(upper: Usd, end: End) -> Bill {
    let nothing = Used { tokens: Tokens::default(), cost: Usd::ZERO, is_estimated: false };
    let (used, outcome) = match end {
        End::Settled(used) => (used, Outcome::Settled),
        End::Abandoned(at_least) => {
            let used = at_least.map(|used| Used { is_estimated: true, ..used });
            (used.unwrap_or(nothing), Outcome::Abandoned)
        }
    };
    let tokens = bounded(used.tokens);
    let is_possible = used.cost <= upper && tokens == used.tokens;
    Bill {
        tokens,
        cost: used.cost.min(upper),
        claimed: (used.cost > upper).then_some(used.cost),
        is_estimated: used.is_estimated,
        outcome: if is_possible { outcome } else { Outcome::OverHold },
    }
}

fn bounded(tokens: Tokens) -> Tokens {
    let input = tokens.input.min(MAX_TOKENS);
    Tokens { input, cached: tokens.cached.min(input), output: tokens.output.min(MAX_TOKENS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPPER: Usd = Usd::dollars(2);

    fn used(cost: Usd) -> Used {
        Used { tokens: Tokens { input: 20, cached: 5, output: 7 }, cost, is_estimated: false }
    }

    #[test]
    fn bills_what_was_used() {
        let cost = Usd::dollars(1);
        let expected =
            Bill { tokens: used(cost).tokens, cost, claimed: None, is_estimated: false, outcome: Outcome::Settled };
        assert_eq!(bill(UPPER, End::Settled(used(cost))), expected);
        let cut = Bill { is_estimated: true, outcome: Outcome::Abandoned, ..expected };
        assert_eq!(bill(UPPER, End::Abandoned(Some(used(cost)))), cut);
        let nothing = Bill { tokens: Tokens::default(), cost: Usd::ZERO, is_estimated: false, ..cut };
        assert_eq!(bill(UPPER, End::Abandoned(None)), nothing);
        assert_eq!(bill(UPPER, End::Settled(used(UPPER))).outcome, Outcome::Settled);
    }

    #[test]
    fn bills_no_more_than_was_held_and_keeps_what_was_claimed() {
        for (end, is_estimated) in [(End::Settled(used(Usd::MAX)), false), (End::Abandoned(Some(used(Usd::MAX))), true)]
        {
            let bill = bill(UPPER, end);
            assert_eq!((bill.cost, bill.claimed, bill.outcome), (UPPER, Some(Usd::MAX), Outcome::OverHold));
            assert_eq!(bill.is_estimated, is_estimated);
        }
    }

    #[test]
    fn flags_counts_that_cannot_be() {
        let tokens = Tokens { input: u64::MAX, cached: u64::MAX, output: u64::MAX };
        let most = Tokens { input: MAX_TOKENS, cached: MAX_TOKENS, output: MAX_TOKENS };
        let more_cached = Tokens { input: 10, cached: 11, output: 0 };
        for (tokens, kept) in [(tokens, most), (more_cached, Tokens { cached: 10, ..more_cached })] {
            let bill = bill(UPPER, End::Settled(Used { tokens, ..used(Usd::ZERO) }));
            assert_eq!((bill.tokens, bill.cost, bill.claimed), (kept, Usd::ZERO, None));
            assert_eq!(bill.outcome, Outcome::OverHold);
        }
    }
}
