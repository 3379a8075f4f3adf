//! `ask`: what a routing policy would decide.

use http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use sophia_domain::{Problem, ProblemDocument, Step, World};
use sophia_identity::Resource;
use sophia_sandbox::{Candidate, Decision, Hook, RoutingRequest};
use tracing::Instrument;

use super::call;
use crate::{
    http::{body::Body, caller_body::CallerBody, exchange::Exchange},
    json,
};

/// `{request, candidates}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskRequest {
    request: RoutingRequest,
    candidates: Vec<Candidate>,
}

/// `{decision: {order} | {refuse}}`
#[derive(Serialize)]
struct AskAnswer {
    decision: Decision,
}

/// Asks a policy with the caller's candidates.
pub(super) async fn ask(
    exchange: &mut Exchange,
    policy: &str,
    headers: &HeaderMap,
    mut body: CallerBody,
) -> Result<Response<Body>, ProblemDocument> {
    call::authorise(exchange, headers, Resource::plugin(policy))?;
    let plugin = call::plugin(exchange, policy, World::Policy)?;
    if !plugin.surface.hooks.contains(&Hook::Routing) {
        let detail = format!("`{}` does not export `routing`, so there is nothing to ask it", plugin.name);
        return Err(Problem::caller(404, "no-routing", "The policy does not route", detail).at(Step::Lookup));
    }
    let _permit = call::admit(exchange, &plugin, None).await?;
    let body = call::body(exchange, &plugin, &mut body).await?;
    let asked: AskRequest = json::shape(&body)?;
    let call = call::prepare(exchange, &plugin, plugin.default_connection(), None);
    let routing = plugin.program.route(call, asked.request, asked.candidates);
    let done = routing.instrument(call::span(&plugin)).await;
    let decision = call::done(exchange, &plugin, done, Ok)?;
    json::written(&AskAnswer { decision })
}
