//! Policy `cost-aware`: the cheapest model that is up and that the budget can pay.

mod price;
mod ranking;

use sophia_sdk::{Candidate, Decision, Description, Error, Policy, Routing, RoutingRequest};

struct CostAware;

impl Policy for CostAware {
    fn describe() -> Description {
        Description {
            title: "Cost-aware",
            summary: "Orders candidates by the most that a request can cost there. Leaves out what is down and what \
                      the budget cannot pay; among equals takes the healthier, quicker, idler.",
            ..Description::default()
        }
    }
}

impl Routing for CostAware {
    fn route(request: RoutingRequest, candidates: Vec<Candidate>) -> Result<Decision, Error> {
        Ok(ranking::decide(&request, candidates))
    }
}

sophia_sdk::routing_policy!(CostAware);
