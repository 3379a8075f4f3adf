use sophia_sdk::Money;

use super::*;

/// 1,000 tokens in, at most 1,000 out: a price of 1 USD per million makes 1,000 micro-USD.
fn request(budget: Option<u64>) -> RoutingRequest {
    RoutingRequest {
        class: "fast".into(),
        input_tokens: 1_000,
        max_output_tokens: 1_000,
        streamed: true,
        budget: budget.map(|micro_usd| Money { micro_usd }),
    }
}

fn candidate(id: &str, usd: u64, health: Health, latency_ms: u32, queue: u32) -> Candidate {
    let price = || Money { micro_usd: usd * 1_000_000 };
    Candidate {
        id: id.into(),
        model: id.into(),
        health,
        latency_ms,
        queue,
        input_price: price(),
        output_price: price(),
    }
}

fn order(ids: &[&str]) -> Decision {
    Decision::Order(ids.iter().map(|&id| id.to_owned()).collect())
}

#[test]
fn tries_the_cheapest_first() {
    use Health::{Degraded, Down, Healthy};
    for (why, candidates, expected) in [
        ("price", vec![candidate("a", 3, Healthy, 1, 0), candidate("b", 1, Healthy, 900, 9)], order(&["b", "a"])),
        ("down is left out", vec![candidate("a", 1, Down, 1, 0), candidate("b", 2, Healthy, 1, 0)], order(&["b"])),
        ("health", vec![candidate("a", 1, Degraded, 1, 0), candidate("b", 1, Healthy, 2, 0)], order(&["b", "a"])),
        (
            "price before health",
            vec![candidate("a", 1, Degraded, 1, 0), candidate("b", 2, Healthy, 1, 0)],
            order(&["a", "b"]),
        ),
        ("latency", vec![candidate("a", 1, Healthy, 20, 0), candidate("b", 1, Healthy, 10, 9)], order(&["b", "a"])),
        ("queue", vec![candidate("a", 1, Healthy, 10, 3), candidate("b", 1, Healthy, 10, 2)], order(&["b", "a"])),
        (
            "id, so that it is always the same",
            vec![candidate("b", 1, Healthy, 1, 1), candidate("a", 1, Healthy, 1, 1)],
            order(&["a", "b"]),
        ),
        ("free", vec![candidate("a", 1, Healthy, 1, 0), candidate("own", 0, Degraded, 90, 5)], order(&["own", "a"])),
    ] {
        assert_eq!(decide(&request(None), candidates), expected, "{why}");
    }
}

#[test]
fn leaves_out_what_the_budget_cannot_pay() {
    let candidates = || vec![candidate("a", 1, Health::Healthy, 1, 0), candidate("b", 3, Health::Healthy, 1, 0)];
    for (budget, expected) in [
        (None, order(&["a", "b"])),
        (Some(6_000), order(&["a", "b"])),
        (Some(5_999), order(&["a"])),
        (Some(2_000), order(&["a"])),
    ] {
        assert_eq!(decide(&request(budget), candidates()), expected, "{budget:?}");
    }
}

#[test]
fn says_what_is_missing_when_it_refuses() {
    use Health::{Down, Healthy};
    let mut huge = request(None);
    huge.input_tokens = u64::MAX;
    for (request, candidates, expected) in [
        (request(None), vec![], "no model serves"),
        (request(None), vec![candidate("a", 1, Down, 1, 0)], "is down"),
        (
            request(Some(1_999)),
            vec![candidate("a", 1, Healthy, 1, 0)],
            "1999 micro-USD left and this request can cost 2000",
        ),
        (request(Some(0)), vec![candidate("a", 1, Healthy, 1, 0)], "raise the budget"),
        // A cheap one that is down pays nothing.
        (request(Some(2_000)), vec![candidate("a", 1, Down, 1, 0), candidate("b", 2, Healthy, 1, 0)], "can cost 4000"),
        (huge, vec![candidate("a", u64::MAX / 1_000_000, Healthy, 1, 0)], "more than can be counted"),
    ] {
        let Decision::Refuse(text) = decide(&request, candidates) else { panic!("served: {expected}") };
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_free_model_needs_no_budget() {
    let own = vec![candidate("own", 0, Health::Healthy, 1, 0)];
    assert_eq!(decide(&request(Some(0)), own), order(&["own"]));
}
