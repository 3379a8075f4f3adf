//! `/v1/keys`: who may call this node, and what they may do. A key is shown once, where it is made.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sophia_domain::{Problem, ProblemDocument, Span, Step};
use sophia_identity::{Grant, KeyEntry, KeyError, Kind, Permission, Permissions, Resource, Rights, Role};

use super::{
    Refusal,
    access::{ROUTES, Row},
    extract::{Json, Named, OptionalJson, Permitted, answer},
};
use crate::{node::Node, unauthorised::forbidden};

/// `{name, role}`, `{name, permissions}` or `{name, grants}`, and until when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    name: String,
    role: Option<Role>,
    permissions: Option<Permissions>,
    grants: Option<Vec<Grant>>,
    expires_at: Option<Timestamp>,
}

/// `{overlap}`: how long the secret part before can still be used.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateRequest {
    overlap: Option<Span>,
}

#[derive(Serialize)]
struct Created {
    /// Shown now and never again.
    key: String,
    #[serde(flatten)]
    entry: KeyEntry,
}

#[derive(Serialize)]
struct Rotated {
    name: String,
    /// Shown now and never again.
    key: String,
    old_until: Timestamp,
}

#[derive(Serialize)]
struct KeyList {
    keys: Vec<KeyEntry>,
}

#[derive(Serialize)]
struct Table {
    permissions: &'static [Permission],
    roles: BTreeMap<&'static str, Permissions>,
    routes: &'static [Row],
}

/// Time enough to change a key at its users by hand.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// A key that two know for longer is two keys.
const MAX_OVERLAP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Makes a key.
pub(super) async fn create(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Json(mut request): Json<CreateRequest>,
) -> Result<Response, Refusal> {
    caller.needs(Permission::UserInvite, of(&request.name)).map_err(|refused| forbidden(&refused))?;
    let rights = rights(&mut request)?;
    let created = node.identity.create_key(&caller, &request.name, rights, request.expires_at).await;
    let (key, entry) = created.map_err(|error| problem(&error))?;
    answer(201, &Created { key: key.reveal().to_owned(), entry })
}

/// Names, rights and times of those that the caller may see.
pub(super) async fn list(Permitted(caller): Permitted, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let mut keys = node.identity.keys(&caller.tenant);
    keys.retain(|entry| caller.has(Permission::UserInvite, of(&entry.name)));
    answer(200, &KeyList { keys })
}

/// Gives a key another secret part.
pub(super) async fn rotate(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<String>,
    OptionalJson(request): OptionalJson<RotateRequest>,
) -> Result<Response, Refusal> {
    let old_until = Timestamp::now() + overlap(request.overlap)?;
    let key = node.identity.rotate_key(&caller, &name, old_until).await.map_err(|error| problem(&error))?;
    answer(200, &Rotated { name, key: key.reveal().to_owned(), old_until })
}

/// Ends a key for good.
pub(super) async fn revoke(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<String>,
) -> Result<StatusCode, Refusal> {
    node.identity.revoke_key(&caller, &name).await.map_err(|error| problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// What can be allowed, what roles allow, and what routes need.
pub(super) async fn permissions(Permitted(_): Permitted) -> Result<Response, Refusal> {
    let roles = Role::ALL.into_iter().map(|role| (role.as_str(), role.permissions())).collect();
    answer(200, &Table { permissions: Permission::ALL, roles, routes: ROUTES })
}

fn of(name: &str) -> Resource<'_> {
    Resource::of(Kind::Key, name)
}

fn rights(request: &mut CreateRequest) -> Result<Rights, ProblemDocument> {
    match (request.role, request.permissions, request.grants.take()) {
        (Some(role), None, None) => Ok(Rights::Role(role)),
        (None, Some(permissions), None) => Ok(Rights::Permissions(permissions)),
        (None, None, Some(grants)) => Ok(Rights::Grants(grants)),
        _ => {
            let detail = "say one of `role`, `permissions` and `grants`: GET /v1/permissions lists what there is";
            Err(Problem::caller(422, "wrong-rights", "What the key may do is not said", detail).at(Step::Request))
        }
    }
}

fn overlap(asked: Option<Span>) -> Result<SignedDuration, ProblemDocument> {
    let overlap = asked.map_or(Some(OVERLAP), |span| SignedDuration::try_from(span.0).ok());
    overlap.filter(|overlap| *overlap <= MAX_OVERLAP).ok_or_else(|| {
        let detail = "a key can have two secret parts for 30 days at most";
        Problem::caller(422, "overlap-too-long", "The old key would live too long", detail).at(Step::Request)
    })
}

fn problem(error: &KeyError) -> ProblemDocument {
    let problem = match error {
        KeyError::Name => Problem::caller(422, "wrong-key-name", "The name cannot be a key's", error.to_string()),
        KeyError::Grants(_) => Problem::caller(422, "too-many-grants", "The rights are too many", error.to_string()),
        KeyError::Past => Problem::caller(422, "key-expired-already", "The key's end is past", error.to_string()),
        KeyError::Taken(_) => Problem::caller(409, "key-exists", "The name is taken", error.to_string()),
        KeyError::Beyond(_) => {
            let problem =
                Problem::caller(403, "rights-beyond-own", "Nobody gives what they have not", error.to_string());
            return problem.at(Step::Right);
        }
        KeyError::Unknown(_) => {
            let problem = Problem::caller(404, "unknown-key", "There is no such key", error.to_string());
            return problem.at(Step::Lookup);
        }
        KeyError::Random | KeyError::Store(_) | KeyError::Stopped | KeyError::Damaged => {
            tracing::error!(error = error as &dyn std::error::Error, "a key could not be made or changed");
            let detail = match error {
                KeyError::Stopped => "the node is stopping: GET /v1/keys says whether it was changed",
                _ => "nothing was changed; the node's log has the cause",
            };
            return Problem::host(500, "keys", "The node could not keep the key", detail).at(Step::Store);
        }
    };
    problem.at(Step::Request)
}
