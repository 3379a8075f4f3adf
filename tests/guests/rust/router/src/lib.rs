//! A policy that decides as its configuration says: every way in which one can.

use sophia_sdk::{Candidate, Decision, Description, Error, Policy, Routing, RoutingRequest, config};

struct Router;

impl Policy for Router {
    fn describe() -> Description {
        Description { title: "Router", ..Description::default() }
    }
}

impl Routing for Router {
    fn route(request: RoutingRequest, candidates: Vec<Candidate>) -> Result<Decision, Error> {
        match config::get("decision").as_deref() {
            Some("refuse") => Ok(Decision::Refuse(format!("not for `{}`", request.class))),
            Some("reverse") => Ok(Decision::Order(candidates.into_iter().rev().map(|one| one.id).collect())),
            Some("stranger") => Ok(Decision::Order(vec!["somebody/else".to_owned()])),
            Some("trap") => panic!("told to"),
            Some("spin") => spin(),
            Some("error") => Err(Error::Other("told to".to_owned())),
            _ => Ok(Decision::Order(candidates.into_iter().map(|one| one.id).collect())),
        }
    }
}

/// Until the limit on CPU ends it.
fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

sophia_sdk::routing_policy!(Router);
