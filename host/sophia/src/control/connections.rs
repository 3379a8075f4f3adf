//! `/v1/connections`: accounts at vendors.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sophia_domain::{ConnectionName, PluginName, SecretName};
use sophia_identity::{Permission, Resource};
use sophia_registry::Connection;

use super::{
    Refusal,
    extract::{Json, Named, Permitted, answer},
};
use crate::node::Node;

/// `{config, credentials}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutRequest {
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    credentials: BTreeMap<String, SecretName>,
}

#[derive(Serialize)]
struct ConnectionList {
    connections: Vec<Connection>,
}

/// Makes a connection, in place of an earlier one.
pub(super) async fn put(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named((connector, name)): Named<(PluginName, ConnectionName)>,
    Json(request): Json<PutRequest>,
) -> Result<Response, Refusal> {
    let connection = Connection { connector, name, config: request.config, credentials: request.credentials };
    node.registry.put_connection(&caller.tenant, connection.clone()).await?;
    answer(200, &connection)
}

/// One connection.
pub(super) async fn get(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named((connector, name)): Named<(PluginName, ConnectionName)>,
) -> Result<Response, Refusal> {
    answer(200, &node.registry.connection(&caller.tenant, &connector, &name).await?)
}

/// All connections that the caller may see.
pub(super) async fn list(Permitted(caller): Permitted, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let mut connections = node.registry.connections(&caller.tenant).await?;
    connections.retain(|connection| {
        let resource = Resource::connection(connection.connector.as_str(), connection.name.as_str());
        caller.has(Permission::SophiaRead, resource)
    });
    answer(200, &ConnectionList { connections })
}

/// Forgets a connection. Its secrets stay.
pub(super) async fn delete(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named((connector, name)): Named<(PluginName, ConnectionName)>,
) -> Result<StatusCode, Refusal> {
    node.registry.delete_connection(&caller.tenant, &connector, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
