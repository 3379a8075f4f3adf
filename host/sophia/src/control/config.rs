//! `/config`: what this node is and carries. Without a key, what any client may know; with one,
//! the plugins, their routes and rights, and the bounds. Secrets are in neither.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use sophia_domain::{ByteSize, Digest, Environment, Limits, PluginName, World};
use sophia_identity::{Caller, Kind, Permission, Resource};
use sophia_models::UpstreamEntry;
use sophia_registry::{Access, LivePlugin};

use super::{Refusal, extract::answer};
use crate::{
    config::Calls,
    node::Node,
    unauthorised::{forbidden, unauthorised},
};

#[derive(Serialize)]
struct Public {
    name: &'static str,
    version: &'static str,
    api: &'static str,
    environment: Environment,
    worlds: [World; 4],
}

#[derive(Serialize)]
struct Full {
    #[serde(flatten)]
    public: Public,
    address: String,
    plugins: Vec<Plugin>,
    limits: Limits,
    calls: Calls,
    models: Models,
    uploads: Uploads,
}

#[derive(Serialize)]
struct Models {
    /// The one that `[models] policy` names.
    policy: Option<PluginName>,
    max_concurrent: u32,
    upstreams: Vec<UpstreamEntry>,
}

#[derive(Serialize)]
struct Plugin {
    name: PluginName,
    version: String,
    world: World,
    digest: Digest,
    access: &'static str,
    routes: Vec<String>,
    granted: Vec<String>,
}

#[derive(Serialize)]
struct Uploads {
    max: ByteSize,
}

/// Answers with an entity tag, and with nothing new to those who have it.
pub(super) async fn config(State(node): State<Arc<Node>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let caller = match headers.get(header::AUTHORIZATION) {
        None => None,
        given => Some(node.identity.identify(given).map_err(|refused| unauthorised(&refused))?),
    };
    let answered = match caller {
        None => answer(200, &public(&node))?,
        Some(caller) => {
            let resource = Resource::of(Kind::Node, "config");
            caller.needs(Permission::SophiaRead, resource).map_err(|refused| forbidden(&refused))?;
            answer(200, &full(&node, &caller).await?)?
        }
    };
    tagged(answered, &headers).await
}

fn public(node: &Node) -> Public {
    Public {
        name: "sophia",
        version: env!("CARGO_PKG_VERSION"),
        api: "v1",
        environment: node.config.environment,
        worlds: [World::Connector, World::Pattern, World::Policy, World::Endpoint],
    }
}

async fn full(node: &Node, caller: &Caller) -> Result<Full, Refusal> {
    let may_see =
        |plugin: &&Arc<LivePlugin>| caller.has(Permission::SophiaRead, Resource::plugin(plugin.name.as_str()));
    let mut live: Vec<Arc<LivePlugin>> = node.registry.live().plugins().filter(may_see).cloned().collect();
    live.sort_by(|a, b| a.name.cmp(&b.name));
    let mut plugins = Vec::with_capacity(live.len());
    for plugin in live {
        let grants = node.registry.grants(&caller.tenant, &plugin.name).await?;
        plugins.push(Plugin::of(&plugin, grants.granted));
    }
    Ok(Full {
        public: public(node),
        address: node.address.to_string(),
        plugins,
        limits: node.config.caps,
        calls: node.config.calls,
        models: Models {
            policy: node.config.models.policy.clone(),
            max_concurrent: node.config.models.max_concurrent,
            upstreams: node.models.upstreams(),
        },
        uploads: Uploads { max: node.config.uploads.max },
    })
}

impl Plugin {
    fn of(plugin: &LivePlugin, granted: Vec<String>) -> Self {
        Self {
            name: plugin.name.clone(),
            version: plugin.semver.to_string(),
            world: plugin.world,
            digest: plugin.digest,
            access: if plugin.access == Access::Public { "public" } else { "key" },
            routes: routes(plugin),
            granted,
        }
    }
}

fn routes(plugin: &LivePlugin) -> Vec<String> {
    let name = &plugin.name;
    match plugin.world {
        World::Endpoint => vec![format!("ANY /x/{name}/…")],
        World::Policy => vec![format!("POST /v1/policies/{name}/ask")],
        World::Connector => ["POST check", "POST read", "POST actions/{action}", "ANY webhook"]
            .into_iter()
            .filter_map(|route| route.split_once(' '))
            .map(|(method, operation)| format!("{method} /v1/connectors/{name}/{{connection}}/{operation}"))
            .collect(),
        World::Pattern => vec![format!("POST /v1/swarms/{name}/runs")],
    }
}

async fn tagged(answered: Response, headers: &HeaderMap) -> Result<Response, Refusal> {
    let (mut head, body) = answered.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let tag = format!("\"{}\"", Digest::of(&body).hex());
    // Whether the caller has a key decides what is shown.
    head.headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        head.headers.insert(header::ETAG, value);
    }
    if has(headers, &tag) {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(header::CONTENT_TYPE);
        return Ok(Response::from_parts(head, axum::body::Body::empty()));
    }
    Ok(Response::from_parts(head, body.into()))
}

/// `If-None-Match` compares weakly (RFC 9110, 13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_tag_in_every_form_it_may_come_in() {
        for (given, expected) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("a", false), ("\"b\"", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(given));
            assert_eq!(has(&headers, "\"a\""), expected, "{given}");
        }
    }
}
