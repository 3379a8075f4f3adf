//! Which candidates may serve a request, and in which order they are tried.

use sophia_sdk::{Candidate, Decision, Health, RoutingRequest};

use crate::price;

/// Decides. The same for the same arguments: no clock, no chance.
pub(crate) fn decide(request: &RoutingRequest, candidates: Vec<Candidate>) -> Decision {
    if candidates.is_empty() {
        return refuse(format!("no model serves the class `{}`", request.class));
    }
    let up: Vec<Candidate> = candidates.into_iter().filter(|candidate| candidate.health != Health::Down).collect();
    if up.is_empty() {
        return refuse(format!("every model of the class `{}` is down", request.class));
    }
    let mut priced: Vec<(Option<u64>, Candidate)> =
        up.into_iter().map(|candidate| (price::upper_bound(request, &candidate), candidate)).collect();
    let cheapest = priced.iter().filter_map(|(bound, _)| *bound).min();
    let budget = request.budget.as_ref().map_or(u64::MAX, |budget| budget.micro_usd);
    priced.retain(|(bound, _)| bound.is_some_and(|bound| bound <= budget));
    if priced.is_empty() {
        return refuse(too_dear(cheapest, budget));
    }
    priced.sort_by(|(a_bound, a), (b_bound, b)| {
        (a_bound, rank(&a.health), a.latency_ms, a.queue, &a.id).cmp(&(
            b_bound,
            rank(&b.health),
            b.latency_ms,
            b.queue,
            &b.id,
        ))
    });
    Decision::Order(priced.into_iter().map(|(_, candidate)| candidate.id).collect())
}

/// Less is better.
fn rank(health: &Health) -> u8 {
    match health {
        Health::Healthy => 0,
        Health::Degraded => 1,
        Health::Down => 2,
    }
}

fn refuse(text: String) -> Decision {
    Decision::Refuse(text)
}

fn too_dear(cheapest: Option<u64>, budget: u64) -> String {
    let needed = match cheapest {
        Some(cheapest) => format!("{cheapest} micro-USD"),
        None => "more than can be counted".to_owned(),
    };
    format!(
        "the budget has {budget} micro-USD left and this request can cost {needed} at the cheapest model: \
         allow fewer output tokens or raise the budget"
    )
}

#[cfg(test)]
mod tests;
