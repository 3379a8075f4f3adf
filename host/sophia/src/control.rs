//! The control API: what manages plugins, connections and secrets, and what says how the node is.
//!
//! ```text
//! PUT|GET|DELETE /v1/plugins/{name}      GET /v1/plugins      GET  /v1/plugins/{name}/versions
//! POST /v1/plugins/{name}/rollback       GET|POST …/grants    GET  /v1/plugins/{name}/logs
//! PUT|GET|DELETE /v1/connections/{connector}/{name}           GET  /v1/connections
//! PUT|DELETE /v1/secrets/{name}                               GET  /v1/secrets
//! POST|GET /v1/keys                      DELETE /v1/keys/{name}   POST /v1/keys/{name}/rotate
//! GET /v1/permissions
//! PUT|GET|DELETE /v1/budgets/tenant|keys/{key}|runs/{run}     GET  /v1/budgets
//! POST /v1/budgets/…/release                                  GET  /v1/costs
//! PUT|GET|DELETE /v1/limits/tenant|keys/{key}                 GET  /v1/limits
//! POST /v1/swarms/{pattern}/runs         GET /v1/runs         GET  /v1/runs/{id}
//! GET /v1/runs/{id}/timeline|events|journal                   POST /v1/runs/{id}/cancel
//! GET /live /ready /health /config /metrics
//! ```
//!
//! Handlers give a [`Refusal`] for whatever goes wrong; it leaves here as a problem, so that one
//! place writes problem documents.

mod access;
mod amount;
mod budgets;
mod config;
mod connections;
mod costs;
mod extract;
mod health;
mod keys;
mod limits;
mod metrics;
mod plugins;
mod refusal;
mod runs;
mod secrets;
mod upload;

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body as ControlBody,
    middleware,
    routing::{delete, get, post, put},
};
use http::{HeaderValue, Request, Response, header, request::Parts};
use sophia_domain::{ProblemDocument, RequestId};
use sophia_ledger::Pass;
use tower::ServiceExt;

use crate::{
    http::{body::Body, caller_body::CallerBody, exchange::Exchange},
    node::Node,
};

pub(crate) use refusal::Refusal;

/// The routes. Built once at boot.
pub(crate) struct Control(Router);

/// What a handler may know of the request beyond HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Who asks, as the connection knows it.
    pub(crate) peer: IpAddr,
    /// Names the request.
    pub(crate) id: RequestId,
    /// W3C `traceparent` of what is done because of it.
    pub(crate) traceparent: Option<HeaderValue>,
}

impl Control {
    /// The routes of a node.
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let router = Router::new()
            .route("/v1/plugins", get(plugins::list))
            .route("/v1/plugins/{name}", put(upload::upload).get(plugins::inspect).delete(plugins::delete))
            .route("/v1/plugins/{name}/versions", get(plugins::versions))
            .route("/v1/plugins/{name}/rollback", post(plugins::rollback))
            .route("/v1/plugins/{name}/grants", get(plugins::grants).post(plugins::grant))
            .route("/v1/plugins/{name}/logs", get(plugins::logs))
            .route("/v1/connections", get(connections::list))
            .route(
                "/v1/connections/{connector}/{name}",
                put(connections::put).get(connections::get).delete(connections::delete),
            )
            .route("/v1/secrets", get(secrets::list))
            .route("/v1/secrets/{name}", put(secrets::set).delete(secrets::delete))
            .route("/v1/keys", get(keys::list).post(keys::create))
            .route("/v1/keys/{name}", delete(keys::revoke))
            .route("/v1/keys/{name}/rotate", post(keys::rotate))
            .route("/v1/permissions", get(keys::permissions))
            .route("/v1/costs", get(costs::costs))
            .route("/v1/budgets", get(budgets::list))
            .merge(budget_routes())
            .route("/v1/limits", get(limits::list))
            .merge(limit_routes())
            .route("/v1/swarms/{pattern}/runs", post(runs::start))
            .route("/v1/runs", get(runs::list))
            .route("/v1/runs/{id}", get(runs::get))
            .route("/v1/runs/{id}/timeline", get(runs::timeline))
            .route("/v1/runs/{id}/events", get(runs::events))
            .route("/v1/runs/{id}/journal", get(runs::journal))
            .route("/v1/runs/{id}/cancel", post(runs::cancel))
            .route("/live", get(health::live))
            .route("/ready", get(health::ready))
            .route("/health", get(health::health))
            .route("/config", get(config::config))
            .route("/metrics", get(metrics::metrics))
            // Runs behind the check of who asks, which stands around it.
            .route_layer(middleware::from_fn_with_state(node.clone(), limits::count))
            .route_layer(middleware::from_fn_with_state(node.clone(), access::check))
            .fallback(refusal::no_route)
            .method_not_allowed_fallback(refusal::no_method)
            .with_state(node);
        Self(router)
    }

    /// Answers a request that calls no plugin.
    pub(crate) async fn answer(
        &self,
        exchange: &mut Exchange,
        head: Parts,
        body: CallerBody,
    ) -> Result<Response<Body>, ProblemDocument> {
        let mut request = Request::from_parts(head, ControlBody::new(body));
        request.extensions_mut().insert(Asked {
            peer: exchange.peer(),
            id: exchange.id(),
            traceparent: exchange.trace.outward(&exchange.span),
        });
        let Ok(mut response) = self.0.clone().oneshot(request).await;
        let pass = response.extensions_mut().remove::<Arc<Pass>>();
        if let Some(pass) = &pass {
            exchange.entered(pass.clone());
        }
        match response.extensions_mut().remove::<Refusal>() {
            Some(refusal) => {
                if let Some(methods) = response.headers_mut().remove(header::ALLOW) {
                    exchange.allows(methods);
                }
                Err(refusal.document())
            }
            None => Ok(response.map(|body| Body::Control { body, _pass: pass })),
        }
    }
}

/// The tenant's limits, and those of keys.
fn limit_routes() -> Router<Arc<Node>> {
    ["/v1/limits/tenant", "/v1/limits/keys/{key}"]
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, put(limits::set).get(limits::get).delete(limits::clear)))
}

/// The tenant's budget, and those of keys and runs.
fn budget_routes() -> Router<Arc<Node>> {
    ["/v1/budgets/tenant", "/v1/budgets/keys/{key}", "/v1/budgets/runs/{run}"].into_iter().fold(
        Router::new(),
        |router, path| {
            router
                .route(path, put(budgets::set).get(budgets::get).delete(budgets::clear))
                .route(&format!("{path}/release"), post(budgets::release))
        },
    )
}
