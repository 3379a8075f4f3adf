//! `/v1/budgets`: the most that the tenant, a key or a run may spend.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{FromRequestParts, State},
    response::Response,
};
use http::{StatusCode, request::Parts};
use serde::{Deserialize, Serialize};
use sophia_domain::{KeyId, Problem, ProblemDocument, RunId, Step, TenantId, Usd, UsdError};
use sophia_identity::{Kind, Permission, Resource};
use sophia_ledger::{Budget, BudgetScope, LedgerError};

use super::{
    Refusal,
    amount::Amount,
    extract::{Json, Named, Permitted, answer},
};
use crate::node::Node;

/// The budget that a path is about: the tenant's, `keys/{key}` or `runs/{run}`.
pub(super) struct Scoped(pub(super) BudgetScope);

/// `{limit}`, such as `{"limit": "$5"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetRequest {
    limit: String,
}

#[derive(Serialize)]
struct BudgetList {
    budgets: Vec<Shown>,
}

/// Where nothing was lowered below what was spent, `spent + held + unreconciled + left = limit`.
#[derive(Serialize)]
struct Shown {
    /// `tenant`, `key` or `run`.
    scope: &'static str,
    /// The tenant's, key's or run's name.
    name: String,
    limit: Amount,
    spent: Amount,
    held: Amount,
    unreconciled: Amount,
    left: Amount,
}

#[derive(Serialize)]
struct Released {
    released: Amount,
}

/// Longest name of a key or a run.
const MAX_NAME: usize = 128;

/// All that are set, of those that the caller may see.
pub(super) async fn list(Permitted(caller): Permitted, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let mut budgets = node.ledger.budgets(Some(&caller.tenant));
    budgets.retain(|budget| caller.has(Permission::SophiaRead, resource(&budget.scope)));
    let budgets = budgets.into_iter().map(Shown::from).collect();
    answer(200, &BudgetList { budgets })
}

/// One.
pub(super) async fn get(Scoped(scope): Scoped, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    answer(200, &shown(&node, &scope)?)
}

/// Sets a limit, in place of an earlier one.
pub(super) async fn set(
    Scoped(scope): Scoped,
    State(node): State<Arc<Node>>,
    Json(request): Json<SetRequest>,
) -> Result<Response, Refusal> {
    let limit: Usd = request.limit.parse().map_err(|wrong| no_amount(&wrong))?;
    node.ledger.set_budget(scope.clone(), Some(limit)).await.map_err(|error| problem(&error))?;
    answer(200, &shown(&node, &scope)?)
}

/// Takes a budget back: its scope may spend without a limit of its own.
pub(super) async fn clear(Scoped(scope): Scoped, State(node): State<Arc<Node>>) -> Result<StatusCode, Refusal> {
    shown(&node, &scope)?;
    node.ledger.set_budget(scope, None).await.map_err(|error| problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets what a dead node may have spent be spent again.
pub(super) async fn release(Scoped(scope): Scoped, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let released = node.ledger.release(scope).await.map_err(|error| problem(&error))?;
    answer(200, &Released { released: released.into() })
}

impl FromRequestParts<Arc<Node>> for Scoped {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Refusal> {
        let Permitted(caller) = Permitted::from_request_parts(parts, node).await?;
        let Named(names) = Named::<BTreeMap<String, String>>::from_request_parts(parts, node).await?;
        Ok(Self(scope(caller.tenant, names)?))
    }
}

fn scope(tenant: TenantId, mut names: BTreeMap<String, String>) -> Result<BudgetScope, ProblemDocument> {
    let is_name = |name: &String| (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    if !names.values().all(is_name) {
        let detail = format!("a key or a run is named by 1 to {MAX_NAME} visible characters");
        return Err(Problem::caller(400, "invalid-name", "A name in the path cannot be", detail).at(Step::Request));
    }
    Ok(match (names.remove("key"), names.remove("run")) {
        (Some(key), _) => BudgetScope::Key(tenant, KeyId::from(key)),
        (None, Some(run)) => BudgetScope::Run(tenant, RunId::from(run)),
        (None, None) => BudgetScope::Tenant(tenant),
    })
}

/// As the routes name it.
fn resource(scope: &BudgetScope) -> Resource<'static> {
    Resource::of(
        Kind::Budget,
        match scope {
            BudgetScope::Tenant(_) => "tenant".to_owned(),
            BudgetScope::Key(_, key) => format!("keys/{key}"),
            BudgetScope::Run(_, run) => format!("runs/{run}"),
        },
    )
}

fn shown(node: &Node, scope: &BudgetScope) -> Result<Shown, ProblemDocument> {
    let none = || problem(&LedgerError::NoBudget(scope.clone()));
    node.ledger.budget(scope).map(Shown::from).ok_or_else(none)
}

impl From<Budget> for Shown {
    fn from(budget: Budget) -> Self {
        let name = match &budget.scope {
            BudgetScope::Tenant(tenant) => tenant.to_string(),
            BudgetScope::Key(_, key) => key.to_string(),
            BudgetScope::Run(_, run) => run.to_string(),
        };
        Self {
            scope: budget.scope.kind(),
            name,
            limit: budget.limit.into(),
            spent: budget.spent.into(),
            held: budget.held.into(),
            unreconciled: budget.unreconciled.into(),
            left: budget.left.into(),
        }
    }
}

fn no_amount(wrong: &UsdError) -> ProblemDocument {
    Problem::caller(422, "wrong-amount", "The limit is no amount", wrong.to_string()).at(Step::Request)
}

/// What the ledger could not do.
pub(super) fn problem(error: &LedgerError) -> ProblemDocument {
    match error {
        LedgerError::NoBudget(scope) => {
            let detail = format!("{scope} has no budget: set one with PUT and a body such as {{\"limit\": \"$5\"}}");
            Problem::caller(404, "unknown-budget", "There is no such budget", detail).at(Step::Lookup)
        }
        _ => {
            tracing::error!(error = %sophia_domain::Chain(error), "the ledger failed");
            let detail = "nothing was changed; the node's log has the cause; try again in a moment";
            Problem::host(503, "ledger", "The ledger does not answer", detail).retry_after(1).at(Step::Store)
        }
    }
}
