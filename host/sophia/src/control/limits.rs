//! `/v1/limits`: what the tenant and its keys may use in a time, and what is used of it now.
//!
//! These routes are the only ones with a key that no limit counts: whoever set one too low could
//! not take it back.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{MatchedPath, State},
    middleware::Next,
    response::Response,
};
use http::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use sophia_domain::{Chain, OnLoss, Problem, ProblemDocument, Quota, QuotaKind, RouteClass, Step};
use sophia_identity::{Caller, Kind, Permission, Resource};
use sophia_ledger::{BudgetScope, QuotaUse, ScopeQuotas, SetQuotasError};

use super::{
    Refusal,
    budgets::Scoped,
    extract::{Json, Permitted, answer},
};
use crate::{limited, node::Node};

/// `{limits}`, such as `{"limits": ["requests=60/min", "cost=$5/day"]}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetRequest {
    limits: Vec<String>,
}

#[derive(Serialize)]
struct LimitList {
    limits: Vec<Shown>,
}

/// The limits of the tenant or a key.
#[derive(Serialize)]
struct Shown {
    /// `tenant` or `key`.
    scope: &'static str,
    /// The tenant's or key's name.
    name: String,
    limits: Vec<ShownLimit>,
}

/// One, in the unit of what it counts; money in micro-dollars.
#[derive(Serialize)]
struct ShownLimit {
    limit: Quota,
    class: Option<RouteClass>,
    kind: QuotaKind,
    amount: u64,
    window_seconds: Option<u64>,
    on_loss: OnLoss,
    /// Whether it is the node's default, and nobody set it.
    is_default: bool,
    used: u64,
    held: u64,
    left: u64,
    reset_seconds: u64,
}

/// Where limits are set; and the runs, which have a class of their own.
const OWN: &str = "/v1/limits";
const RUNS: &str = "/v1/swarms/{pattern}/runs";

/// Counts a request of the control API, once it is known who asks.
pub(super) async fn count(
    State(node): State<Arc<Node>>,
    path: MatchedPath,
    mut request: Request<Body>,
    next: Next,
) -> Result<Response, Refusal> {
    let class = class(request.method(), path.as_str());
    let (Some(caller), Some(class)) = (request.extensions().get::<Caller>(), class) else {
        return Ok(next.run(request).await);
    };
    let entered = node.ledger.quotas().enter(&caller.tenant, &caller.key, class).await;
    let Some(pass) = entered.map_err(limited::problem)?.map(Arc::new) else {
        return Ok(next.run(request).await);
    };
    request.extensions_mut().insert(pass.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(pass);
    Ok(response)
}

/// All of the tenant and its keys, of those that the caller may see.
pub(super) async fn list(Permitted(caller): Permitted, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let mut limits = node.ledger.quotas().all(&caller.tenant);
    limits.retain(|limits| caller.has(Permission::SophiaRead, resource(&limits.scope)));
    answer(200, &LimitList { limits: limits.into_iter().map(Shown::from).collect() })
}

/// Those of one.
pub(super) async fn get(Scoped(scope): Scoped, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    answer(200, &shown(&node, &scope)?)
}

/// Sets those of one, in place of those that were set before.
pub(super) async fn set(
    Scoped(scope): Scoped,
    State(node): State<Arc<Node>>,
    Json(request): Json<SetRequest>,
) -> Result<Response, Refusal> {
    let limits: Result<Vec<Quota>, _> = request.limits.iter().map(|text| text.parse()).collect();
    let limits = limits.map_err(|wrong| wrong_limit(format!("{wrong}")))?;
    if limits.is_empty() {
        return Err(wrong_limit("there is none: take them back with DELETE".to_owned()).into());
    }
    node.ledger.quotas().set(scope.clone(), limits).await.map_err(problem)?;
    answer(200, &shown(&node, &scope)?)
}

/// Takes those of one back: the node's defaults hold again.
pub(super) async fn clear(Scoped(scope): Scoped, State(node): State<Arc<Node>>) -> Result<StatusCode, Refusal> {
    if !node.ledger.quotas().are_set(&scope) {
        return Err(unknown(&scope).into());
    }
    node.ledger.quotas().set(scope, Vec::new()).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a scope's limits are called where rights are decided, as the table of routes has it.
fn resource(scope: &BudgetScope) -> Resource<'static> {
    let name = match scope {
        BudgetScope::Key(_, key) => format!("keys/{key}"),
        _ => "tenant".to_owned(),
    };
    Resource::of(Kind::Limit, name)
}

/// What a route is counted as; none for those that are not.
fn class(method: &Method, path: &str) -> Option<RouteClass> {
    let is_own = path.strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match path {
        _ if is_own => None,
        RUNS if method == Method::POST => Some(RouteClass::Runs),
        _ => Some(RouteClass::Control),
    }
}

fn shown(node: &Node, scope: &BudgetScope) -> Result<Shown, ProblemDocument> {
    node.ledger.quotas().of(scope).map(Shown::from).ok_or_else(|| unknown(scope))
}

impl From<ScopeQuotas> for Shown {
    fn from(ScopeQuotas { scope, quotas }: ScopeQuotas) -> Self {
        let name = match &scope {
            BudgetScope::Tenant(tenant) => tenant.to_string(),
            BudgetScope::Key(_, key) => key.to_string(),
            BudgetScope::Run(_, run) => run.to_string(),
        };
        Self { scope: scope.kind(), name, limits: quotas.into_iter().map(ShownLimit::from).collect() }
    }
}

impl From<QuotaUse> for ShownLimit {
    fn from(QuotaUse { quota, is_default, used, held, left, reset }: QuotaUse) -> Self {
        Self {
            limit: quota,
            class: quota.class,
            kind: quota.kind,
            amount: quota.amount,
            window_seconds: quota.per.map(|per| per.0.as_secs()),
            on_loss: quota.on_loss,
            is_default,
            used,
            held,
            left,
            reset_seconds: reset,
        }
    }
}

fn unknown(scope: &BudgetScope) -> ProblemDocument {
    let detail =
        format!("{scope} has no limits: set some with PUT and a body such as {{\"limits\": [\"requests=60/min\"]}}");
    Problem::caller(404, "unknown-limit", "There is no such limit", detail).at(Step::Lookup)
}

fn wrong_limit(detail: String) -> ProblemDocument {
    Problem::caller(422, "wrong-limits", "The limits cannot be", detail).at(Step::Request)
}

fn problem(error: SetQuotasError) -> ProblemDocument {
    match error {
        SetQuotasError::TooMany | SetQuotasError::Twice(_) => wrong_limit(error.to_string()),
        SetQuotasError::Store(_) | SetQuotasError::Closed => {
            tracing::error!(error = %Chain(&error), "the limits cannot be set");
            let detail = "nothing was changed; the node's log has the cause; try again in a moment";
            Problem::host(503, "limits", "The limits cannot be kept", detail).retry_after(1).at(Step::Store)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_with_a_key_is_counted_but_those_of_limits() {
        for (method, path, expected) in [
            (Method::GET, "/v1/plugins/{name}", Some(RouteClass::Control)),
            (Method::POST, "/v1/swarms/{pattern}/runs", Some(RouteClass::Runs)),
            (Method::GET, "/v1/swarms/{pattern}/runs", Some(RouteClass::Control)),
            (Method::GET, "/v1/limits", None),
            (Method::PUT, "/v1/limits/keys/{key}", None),
            (Method::GET, "/v1/limitsx", Some(RouteClass::Control)),
        ] {
            assert_eq!(class(&method, path), expected, "{method} {path}");
        }
    }
}
