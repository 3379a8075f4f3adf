//! `/v1/plugins`: what is there, what it may do, which version answers. Uploads have
//! [their own file](super::upload).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sophia_domain::{Chain, Digest, PluginName};
use sophia_identity::{Permission, Resource};
use sophia_registry::{Granting, PluginEntry, RegistryError, VersionEntry};

use super::{
    Refusal,
    extract::{Named, OptionalJson, Params, Permitted, answer},
};
use crate::node::Node;

/// Log lines, where the caller does not say.
const DEFAULT_LOG_LINES: usize = 100;

#[derive(Serialize)]
struct PluginList {
    plugins: Vec<PluginEntry>,
}

#[derive(Serialize)]
struct VersionList {
    versions: Vec<VersionEntry>,
}

/// `{to?}`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackRequest {
    #[serde(default)]
    to: Option<Digest>,
}

/// `{version?, only?}`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantRequest {
    #[serde(default)]
    version: Option<Digest>,
    #[serde(default)]
    only: Option<Vec<String>>,
}

/// `?lines=100`
#[derive(Deserialize)]
pub(super) struct LogParams {
    #[serde(default)]
    lines: Option<usize>,
}

/// All plugins that the caller may see.
pub(super) async fn list(Permitted(caller): Permitted, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let mut plugins = node.registry.list(&caller.tenant).await?;
    plugins.retain(|entry| caller.has(Permission::SophiaRead, Resource::plugin(entry.name.as_str())));
    answer(200, &PluginList { plugins })
}

/// One plugin, whole.
pub(super) async fn inspect(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
) -> Result<Response, Refusal> {
    answer(200, &node.registry.inspect(&caller.tenant, &name).await?)
}

/// Its versions, newest first.
pub(super) async fn versions(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
) -> Result<Response, Refusal> {
    let versions = node.registry.versions(&caller.tenant, &name).await?;
    answer(200, &VersionList { versions })
}

/// Makes another version answer: the one named, or the one before.
pub(super) async fn rollback(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
    OptionalJson(request): OptionalJson<RollbackRequest>,
) -> Result<Response, Refusal> {
    answer(200, &node.registry.rollback(&caller.tenant, &name, request.to.as_ref()).await?)
}

/// What was decided, and what was not.
pub(super) async fn grants(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
) -> Result<Response, Refusal> {
    answer(200, &node.registry.grants(&caller.tenant, &name).await?)
}

/// Decides on a version's asks, all or some, and lets it answer.
pub(super) async fn grant(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
    OptionalJson(request): OptionalJson<GrantRequest>,
) -> Result<Response, Refusal> {
    let granting = request.only.map_or(Granting::All, Granting::Only);
    answer(200, &node.registry.grant(&caller.tenant, &name, request.version.as_ref(), granting).await?)
}

/// The last lines that it logged.
pub(super) async fn logs(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
    Params(params): Params<LogParams>,
) -> Result<Response, Refusal> {
    // Refuses a name that is no plugin, rather than to show that it logged nothing.
    node.registry.grants(&caller.tenant, &name).await?;
    answer(200, &node.logs.tail(&name, params.lines.unwrap_or(DEFAULT_LOG_LINES)))
}

/// Removes a plugin with all its versions, grants and connections.
pub(super) async fn delete(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
) -> Result<StatusCode, Refusal> {
    node.registry.delete(&caller.tenant, &name).await?;
    node.logs.forget(&name);
    Ok(StatusCode::NO_CONTENT)
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        let problem = error.problem();
        if problem.status >= 500 {
            tracing::error!(error = %Chain(&error), "the registry failed");
        }
        problem.at(error.step()).into()
    }
}
