//! How the node is. Without a key: those who ask are probes and load balancers.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::Serialize;
use sophia_domain::{Environment, Problem, Step};

use super::{Refusal, extract::answer};
use crate::{node::Node, share};

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

/// The process answers.
pub(super) async fn live() -> Result<Response, Refusal> {
    answer(200, &Status { status: "live" })
}

/// The node takes requests: it is not stopping, and its state can be read.
pub(super) async fn ready(State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    if node.drain.has_begun() {
        let detail = "the node stops: send requests to another one";
        let problem = Problem::host(503, "draining", "The node is stopping", detail).retry_after(1);
        return Err(problem.at(Step::Admission).into());
    }
    if node.freshness.is_stale() {
        return Err(share::cut_off().into());
    }
    answer(200, &Status { status: "ready" })
}

/// The node and its parts.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    environment: Environment,
    uptime_seconds: u64,
    components: Components,
}

#[derive(Serialize)]
struct Components {
    store: Component,
    plugins: Plugins,
    calls: Calls,
    runs: Calls,
    log: Log,
}

#[derive(Serialize)]
struct Component {
    status: &'static str,
}

#[derive(Serialize)]
struct Plugins {
    status: &'static str,
    live: usize,
    /// Active versions that could not be loaded.
    failed: usize,
}

#[derive(Serialize)]
struct Calls {
    status: &'static str,
    running: u32,
    capacity: u32,
}

#[derive(Serialize)]
struct Log {
    status: &'static str,
    lines_dropped: u64,
}

/// A summary that names no plugin: it is open to all.
pub(super) async fn health(State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let (running, capacity) = (node.admission.n_running(), node.admission.bounds().max_concurrent);
    let lines_dropped = node.lines.n_dropped();
    let components = Components {
        store: Component { status: if is_readable(&node).await { "ok" } else { "failed" } },
        plugins: plugins(&node),
        calls: Calls { status: if running < capacity { "ok" } else { "full" }, running, capacity },
        runs: runs(&node),
        log: Log { status: if lines_dropped == 0 { "ok" } else { "degraded" }, lines_dropped },
    };
    let is_ok = components.store.status == "ok";
    let status = match (is_ok, node.drain.has_begun()) {
        (false, _) => "failed",
        (true, true) => "draining",
        (true, false) => "ok",
    };
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        environment: node.config.environment,
        uptime_seconds: node.began.elapsed().as_secs(),
        components,
    };
    answer(if is_ok { 200 } else { 503 }, &health)
}

fn plugins(node: &Node) -> Plugins {
    let snapshot = node.registry.live();
    let (live, failed) = (snapshot.plugins().len(), snapshot.n_failed());
    Plugins { status: if failed == 0 { "ok" } else { "degraded" }, live, failed }
}

fn runs(node: &Node) -> Calls {
    let running = u32::try_from(node.runs.n_running()).unwrap_or(u32::MAX);
    let capacity = node.runs.config().max_concurrent;
    Calls { status: if running < capacity { "ok" } else { "full" }, running, capacity }
}

async fn is_readable(node: &Node) -> bool {
    let read = node.store.plugins(&sophia_domain::TenantId::main()).await;
    read.inspect_err(|error| tracing::error!(%error, "the store cannot be read")).is_ok()
}
