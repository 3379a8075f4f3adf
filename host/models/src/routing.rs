//! Which candidates are tried, and in which order: the port to the policy plugin, and what is done
//! with its decision. All of it is pure but the port.

use async_trait::async_trait;
use sophia_domain::{Prices, Usd};

use crate::{Asker, Health};

/// Asks the granted policy. `sophia` calls the plugin; tests decide themselves.
#[async_trait]
pub trait Routing: Send + Sync {
    /// The policy's decision, or none where no policy is granted: then the cheapest healthy
    /// candidate is tried first.
    async fn route(
        &self,
        asker: &Asker,
        request: &RoutingRequest,
        candidates: &[Candidate],
    ) -> Result<Option<Decision>, RoutingFault>;
}

/// What is asked, without its text. As `routing-request` of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingRequest {
    /// The class that was asked for, or the model's name where one was.
    pub class: String,
    /// Tokens of the prompt, estimated upwards.
    pub input_tokens: u64,
    /// Most tokens that may be generated.
    pub max_output_tokens: u64,
    /// Whether the answer is streamed.
    pub is_streamed: bool,
    /// What the asker's budget has left, none where it is unbounded.
    pub budget: Option<Usd>,
}

/// A model that could answer. As `candidate` of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What a decision names it by, unique in the list: `upstream/model`.
    pub id: String,
    /// The model's name.
    pub model: String,
    /// Whether its upstream is up.
    pub health: Health,
    /// Median time to the first token over the last minute, milliseconds; zero where there was none.
    pub latency_ms: u32,
    /// Requests that its upstream is working on now.
    pub queue: u32,
    /// What it costs.
    pub prices: Prices,
}

/// What to do with a request. As `decision` of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Try these candidates, by id, in this order. Unknown ids are ignored; none left is a refusal.
    Order(Vec<String>),
    /// Do not serve it. The text is shown to the caller.
    Refuse(String),
}

/// The policy did not decide. Why is in its plugin's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the routing policy failed")]
pub struct RoutingFault;

/// What happens with a request whose policy did not decide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFault {
    /// It is refused.
    #[default]
    Closed,
    /// It is served as if there were no policy.
    Open,
}

/// Why nobody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unroutable {
    /// The policy's words.
    Refused(String),
    /// The policy failed, and the operator lets nothing through then.
    Fault,
    /// Every candidate is down.
    AllDown,
}

/// A refusal's text is a plugin's: a line for people, no more.
const MAX_REFUSAL_CHARS: usize = 300;

/// A plugin's list is read no further than this; there are never so many candidates.
const MAX_DECIDED: usize = 1024;

/// The places of the candidates to try, in order. At least one.
pub(crate) fn order(
    decided: Result<Option<Decision>, RoutingFault>,
    on_fault: OnFault,
    candidates: &[Candidate],
) -> Result<Vec<usize>, Unroutable> {
    match decided {
        Ok(Some(Decision::Refuse(text))) => Err(Unroutable::Refused(text.chars().take(MAX_REFUSAL_CHARS).collect())),
        Ok(Some(Decision::Order(ids))) => named(&ids, candidates),
        Err(RoutingFault) if on_fault == OnFault::Closed => Err(Unroutable::Fault),
        Ok(None) | Err(RoutingFault) => cheapest_healthy(candidates),
    }
}

/// As the policy orders, each once. It may name what is down: it was told.
fn named(ids: &[String], candidates: &[Candidate]) -> Result<Vec<usize>, Unroutable> {
    let mut order = Vec::new();
    for id in ids.iter().take(MAX_DECIDED) {
        let place = candidates.iter().position(|candidate| candidate.id == *id);
        order.extend(place.filter(|place| !order.contains(place)));
    }
    if order.is_empty() {
        return Err(Unroutable::Refused("the routing policy chose no model".to_owned()));
    }
    Ok(order)
}

fn cheapest_healthy(candidates: &[Candidate]) -> Result<Vec<usize>, Unroutable> {
    let is_up = |place: &usize| candidates.get(*place).is_some_and(|candidate| candidate.health != Health::Down);
    let mut order: Vec<usize> = (0..candidates.len()).filter(is_up).collect();
    order.sort_by_key(|place| candidates.get(*place).map(rank));
    if order.is_empty() { Err(Unroutable::AllDown) } else { Ok(order) }
}

/// Healthy before degraded, then by price, then by what waits there, then by how quick it was.
fn rank(candidate: &Candidate) -> (Health, u128, u32, u32) {
    let Prices { input, output, .. } = candidate.prices;
    let price = u128::from(input.micro_usd_per_million) + u128::from(output.micro_usd_per_million);
    (candidate.health, price, candidate.queue, candidate.latency_ms)
}

#[cfg(test)]
mod tests {
    use sophia_domain::Price;

    use super::*;

    fn candidate(id: &str, health: Health, price: u64, queue: u32) -> Candidate {
        let input = Price { micro_usd_per_million: price };
        let prices = Prices { input, cached_input: input, output: input };
        Candidate { id: id.into(), model: "m".into(), health, latency_ms: 0, queue, prices }
    }

    fn candidates() -> [Candidate; 5] {
        [
            candidate("dear", Health::Healthy, 9, 0),
            candidate("sick", Health::Degraded, 0, 0),
            candidate("down", Health::Down, 0, 0),
            candidate("busy", Health::Healthy, 1, 5),
            candidate("free", Health::Healthy, 1, 2),
        ]
    }

    fn check(
        decided: Result<Option<Decision>, RoutingFault>,
        on_fault: OnFault,
        expected: Result<&[&str], Unroutable>,
    ) {
        let candidates = candidates();
        let ids = order(decided, on_fault, &candidates)
            .map(|order| order.into_iter().map(|place| candidates[place].id.clone()).collect::<Vec<_>>());
        assert_eq!(ids, expected.map(|ids| ids.iter().map(|id| id.to_string()).collect()));
    }

    #[test]
    fn without_a_policy_the_cheapest_healthy_is_first_and_what_is_down_is_left_out() {
        check(Ok(None), OnFault::Closed, Ok(&["free", "busy", "dear", "sick"]));
        let all_down = [candidate("down", Health::Down, 0, 0)];
        assert_eq!(order(Ok(None), OnFault::Closed, &all_down), Err(Unroutable::AllDown));
    }

    #[test]
    fn a_policy_orders_and_refuses() {
        let ids = |ids: &[&str]| Ok(Some(Decision::Order(ids.iter().map(|id| id.to_string()).collect())));
        check(ids(&["down", "ghost", "free", "down"]), OnFault::Closed, Ok(&["down", "free"]));
        let none = || Err(Unroutable::Refused("the routing policy chose no model".into()));
        check(ids(&[]), OnFault::Open, none());
        check(ids(&["ghost"]), OnFault::Open, none());
        let long = Decision::Refuse("é".repeat(9999));
        check(Ok(Some(long)), OnFault::Open, Err(Unroutable::Refused("é".repeat(MAX_REFUSAL_CHARS))));
    }

    #[test]
    fn a_policy_that_fails_refuses_unless_the_operator_said_otherwise() {
        check(Err(RoutingFault), OnFault::Closed, Err(Unroutable::Fault));
        check(Err(RoutingFault), OnFault::Open, Ok(&["free", "busy", "dear", "sick"]));
    }
}
