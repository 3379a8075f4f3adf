//! `/v1/secrets`. Values go in and never come out.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sophia_domain::{Problem, ProblemDocument, Scope, SecretName, Step};
use sophia_identity::{Kind, Permission, Resource};
use sophia_vault::{SecretEntry, SecretValue, VaultError};

use super::{
    Refusal,
    extract::{Json, Named, Permitted, answer},
};
use crate::node::Node;

/// `{value, scope}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetRequest {
    value: SecretValue,
    #[serde(default)]
    scope: Scope,
}

#[derive(Serialize)]
struct SecretList {
    secrets: Vec<SecretEntry>,
}

/// Keeps a secret, in place of an earlier one.
pub(super) async fn set(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<SecretName>,
    Json(request): Json<SetRequest>,
) -> Result<Response, Refusal> {
    let kept = node.vault.set(&caller.tenant, &name, request.value, request.scope).await;
    answer(200, &kept.map_err(|error| problem(&error))?)
}

/// Names and scopes of those that the caller may see.
pub(super) async fn list(Permitted(caller): Permitted, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let mut secrets = node.vault.list(&caller.tenant);
    secrets.retain(|entry| caller.has(Permission::SecretRead, Resource::of(Kind::Secret, entry.name.as_str())));
    answer(200, &SecretList { secrets })
}

/// Forgets a secret.
pub(super) async fn delete(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<SecretName>,
) -> Result<StatusCode, Refusal> {
    let was_there = node.vault.delete(&caller.tenant, &name).await.map_err(|error| problem(&error))?;
    if !was_there {
        return Err(problem(&VaultError::Unknown(name)).into());
    }
    Ok(StatusCode::NO_CONTENT)
}

fn problem(error: &VaultError) -> ProblemDocument {
    let problem = match error {
        VaultError::Unknown(_) => {
            let problem = Problem::caller(404, "unknown-secret", "There is no such secret", error.to_string());
            return problem.at(Step::Lookup);
        }
        VaultError::Contended(_) => {
            Problem::caller(409, "secret-contended", "The secret is being changed", error.to_string())
        }
        _ => {
            tracing::error!(%error, "the vault failed");
            Problem::host(
                500,
                "vault",
                "The node could not keep the secret",
                "nothing was changed; the node's log has the cause",
            )
        }
    };
    problem.at(Step::Secret)
}
