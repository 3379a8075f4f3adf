//! What a request can cost, in whole micro-dollars. Never rounded in the caller's favour.

use sophia_sdk::{Candidate, Money, RoutingRequest};

/// Prices are for so many tokens.
const TOKENS_PER_PRICE: u128 = 1_000_000;

/// The most that the request can cost there: every input token, and as many output tokens as
/// may be generated. None where the sum is more than any budget can hold.
pub(crate) fn upper_bound(request: &RoutingRequest, candidate: &Candidate) -> Option<u64> {
    let input = part(request.input_tokens, &candidate.input_price)?;
    let output = part(request.max_output_tokens, &candidate.output_price)?;
    input.checked_add(output)
}

/// Rounded up: a part of a micro-dollar is a micro-dollar.
fn part(tokens: u64, price: &Money) -> Option<u64> {
    // Two factors of 64 bits fit in 128.
    let product = u128::from(tokens) * u128::from(price.micro_usd);
    u64::try_from(product.div_ceil(TOKENS_PER_PRICE)).ok()
}

#[cfg(test)]
mod tests {
    use sophia_sdk::Health;

    use super::*;

    fn bound(tokens: (u64, u64), prices: (u64, u64)) -> Option<u64> {
        let request = RoutingRequest {
            class: "fast".into(),
            input_tokens: tokens.0,
            max_output_tokens: tokens.1,
            streamed: false,
            budget: None,
        };
        let candidate = Candidate {
            id: "a".into(),
            model: "a".into(),
            health: Health::Healthy,
            latency_ms: 0,
            queue: 0,
            input_price: Money { micro_usd: prices.0 },
            output_price: Money { micro_usd: prices.1 },
        };
        upper_bound(&request, &candidate)
    }

    #[test]
    fn counts_all_tokens_and_rounds_up() {
        for (tokens, prices, expected) in [
            ((0, 0), (3_000_000, 15_000_000), Some(0)),
            ((1_000_000, 0), (3_000_000, 15_000_000), Some(3_000_000)),
            ((1_000, 500), (3_000_000, 15_000_000), Some(3_000 + 7_500)),
            ((1, 0), (1, 0), Some(1)),
            ((1, 1), (1, 1), Some(2)),
            ((1_000_001, 0), (1, 0), Some(2)),
            ((1_000_000, 1_000_000), (0, 0), Some(0)),
            ((u64::MAX, 0), (1_000_000, 0), Some(u64::MAX)),
            ((u64::MAX, 1), (1_000_000, 1), None),
            ((u64::MAX, u64::MAX), (u64::MAX, u64::MAX), None),
        ] {
            assert_eq!(bound(tokens, prices), expected, "{tokens:?} at {prices:?}");
        }
    }
}
