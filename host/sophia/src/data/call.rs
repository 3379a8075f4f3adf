//! What every call of a plugin needs before it, and leaves behind.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use sophia_domain::{ConnectionName, Fault, Problem, ProblemDocument, Step, World};
use sophia_identity::{Kind, Permission, Resource};
use sophia_registry::{LiveConnection, LivePlugin};
use sophia_sandbox::{Call, Done, Spent};
use tracing::Span;

use crate::{
    admission::Permit,
    http::{
        caller_body::CallerBody,
        exchange::Exchange,
        problem::{self, Failure},
    },
    limited,
    node::Node,
    unauthorised::{forbidden, unauthorised},
};

/// Refuses a caller without a key that may call this, and notes whose it is.
pub(super) fn authorise(
    exchange: &mut Exchange,
    headers: &HeaderMap,
    resource: Resource<'_>,
) -> Result<(), ProblemDocument> {
    let identified = exchange.node.identity.identify(headers.get(header::AUTHORIZATION));
    let caller = identified.map_err(|refused| unauthorised(&refused))?;
    caller.needs(Permission::AgentExecute, resource).map_err(|refused| forbidden(&refused))?;
    exchange.asked_by(caller);
    Ok(())
}

/// The same, where only the request's body says for which model.
pub(super) fn authorise_for_some_model(exchange: &mut Exchange, headers: &HeaderMap) -> Result<(), ProblemDocument> {
    let identified = exchange.node.identity.identify(headers.get(header::AUTHORIZATION));
    let caller = identified.map_err(|refused| unauthorised(&refused))?;
    caller.needs_some(Permission::AgentExecute, Kind::Model).map_err(|refused| forbidden(&refused))?;
    exchange.asked_by(caller);
    Ok(())
}

/// The version of a plugin that answers, if it is of the world that the route is for.
pub(super) fn plugin(exchange: &Exchange, name: &str, world: World) -> Result<Arc<LivePlugin>, ProblemDocument> {
    live(&exchange.node, name, world)
}

/// The same, for a route that has no account of its own.
pub(crate) fn live(node: &Node, name: &str, world: World) -> Result<Arc<LivePlugin>, ProblemDocument> {
    let live = node.registry.live();
    match live.plugin(name) {
        Some(plugin) if plugin.world == world => Ok(plugin.clone()),
        Some(plugin) => Err(other_world(plugin, world)),
        None => Err(not_live(name, world, live.failure(name))),
    }
}

fn other_world(plugin: &LivePlugin, wanted: World) -> ProblemDocument {
    let (name, is) = (&plugin.name, plugin.world);
    let detail = match is {
        World::Endpoint => format!("`{name}` is an endpoint, no {wanted}: call it at /x/{name}/"),
        World::Connector => {
            format!("`{name}` is a connector, no {wanted}: call it at /v1/connectors/{name}/{{connection}}/…")
        }
        World::Policy => format!("`{name}` is a policy, no {wanted}: call it at /v1/policies/{name}/ask"),
        World::Pattern => format!("`{name}` is a pattern, no {wanted}: run it with POST /v1/swarms/{name}/runs"),
    };
    Problem::caller(404, "other-world", "The plugin is of another world", detail).at(Step::Lookup)
}

fn not_live(name: &str, world: World, failure: Option<&str>) -> ProblemDocument {
    if failure.is_some() {
        let detail = format!("the active version of `{name}` could not be loaded; the node's log says why");
        return Problem::host(503, "not-loaded", "The plugin could not be loaded", detail).at(Step::Lookup);
    }
    let name = shown(name);
    let detail =
        format!("no {world} `{name}` is live: upload one with PUT /v1/plugins/{{name}}, or grant a pending one");
    Problem::caller(404, "unknown-plugin", "There is no such plugin", detail).at(Step::Lookup)
}

/// Counts the call against the limits of whoever calls, takes a place among the running calls, and
/// notes who is called.
pub(super) async fn admit(
    exchange: &mut Exchange,
    plugin: &Arc<LivePlugin>,
    connection: Option<&ConnectionName>,
) -> Result<Permit, ProblemDocument> {
    let meter = exchange.node.metrics.plugin(&plugin.name);
    exchange.calls(meter.clone(), connection.cloned());
    exchange.enter(&plugin.tenant, limited::class(plugin.world)).await?;
    exchange.node.admission.admit(&meter, plugin.enter()).map_err(|full| {
        exchange.take_back();
        exchange.node.metrics.refused.inc();
        problem::busy(&format!("{full}; try again in a moment")).at(Step::Admission)
    })
}

/// What the guest may reach. Everything in it is shared; nothing is copied but names.
pub(super) fn prepare(
    exchange: &Exchange,
    plugin: &LivePlugin,
    connection: &LiveConnection,
    name: Option<&ConnectionName>,
) -> Call {
    Call {
        tenant: plugin.tenant.clone(),
        key: exchange.key(),
        plugin: plugin.name.clone(),
        connection: name.cloned(),
        request_id: exchange.id(),
        traceparent: exchange.trace.outward(&exchange.span),
        limits: plugin.limits,
        rights: connection.rights.clone(),
        config: connection.config.clone(),
        secrets: connection.secrets.clone(),
        classes: plugin.classes_for(exchange.caller()),
        run: None,
    }
}

/// Covers the guest's part of a request.
pub(crate) fn span(plugin: &LivePlugin) -> Span {
    tracing::info_span!("call", otel.name = "call", sophia.plugin = plugin.name.as_str(), sophia.digest = %plugin.digest)
}

/// Closes a call: what the guest gave is checked, what it spent is counted, and what it did not
/// do becomes a problem.
pub(super) fn done<T, U>(
    exchange: &mut Exchange,
    plugin: &LivePlugin,
    done: Done<T>,
    check: impl FnOnce(T) -> Result<U, Fault>,
) -> Result<U, ProblemDocument> {
    let failure = match done.outcome.map(|answer| answer.map(check)) {
        Ok(Ok(Ok(answer))) => {
            exchange.called("ok", done.spent);
            return Ok(answer);
        }
        Ok(Err(error)) => Failure::Plugin(error),
        Err(fault) | Ok(Ok(Err(fault))) => Failure::Fault(fault),
    };
    Err(failed(exchange, plugin, failure, done.spent))
}

/// Notes a failure, and says it to the log, where a fault's own text may stand.
pub(super) fn failed(exchange: &mut Exchange, plugin: &LivePlugin, failure: Failure, spent: Spent) -> ProblemDocument {
    exchange.called(failure.kind(), spent);
    if let Failure::Fault(fault) = &failure {
        let (plugin, request_id) = (&plugin.name, exchange.id());
        match fault {
            Fault::Host(_) => tracing::error!(%plugin, %request_id, %fault, "a call failed in the node"),
            _ => tracing::warn!(%plugin, %request_id, %fault, "a plugin's call failed"),
        }
    }
    failure.problem()
}

/// Reads a body that was announced: nobody waits for it longer than the call may take.
pub(super) async fn body(
    exchange: &mut Exchange,
    plugin: &LivePlugin,
    body: &mut CallerBody,
) -> Result<Bytes, ProblemDocument> {
    let collected = body.collect(plugin.limits.request, plugin.limits.wall.0).await;
    let (bytes, waited) = collected.map_err(|refused| refused.problem())?;
    exchange.waited(waited);
    Ok(bytes)
}

/// A name from a path as a problem may show it.
pub(super) fn shown(name: &str) -> String {
    const MAX_CHARS: usize = 70;
    name.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}
