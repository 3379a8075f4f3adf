//! `/metrics`, for whoever holds the key, and for the operator's own networks.
//!
//! Behind a proxy every caller comes from a private address, so an open network counts only
//! where no proxy says that it forwards.

use std::{net::IpAddr, sync::Arc};

use axum::{Extension, extract::State, response::Response};
use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use sophia_domain::{Problem, Step};
use sophia_identity::{Kind, Permission, Resource};

use super::{Asked, Refusal};
use crate::{
    metrics::{Gauges, page},
    node::Node,
    unauthorised::{forbidden, unauthorised},
};

/// Headers by which proxies name whom they forward; the last is Fly's.
const FORWARDING: [&str; 5] = ["forwarded", "x-forwarded-for", "x-real-ip", "via", "fly-client-ip"];

/// Answers in the OpenMetrics text format.
pub(super) async fn metrics(
    State(node): State<Arc<Node>>,
    Extension(asked): Extension<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if !is_open(&node.config.metrics_open_to, asked.peer, &headers) {
        let caller = node.identity.identify(headers.get(header::AUTHORIZATION));
        let caller = caller.map_err(|refused| unauthorised(&refused))?;
        let resource = Resource::of(Kind::Node, "metrics");
        caller.needs(Permission::SophiaRead, resource).map_err(|refused| forbidden(&refused))?;
    }
    let live = node.registry.live();
    node.metrics.retain(|plugin| live.plugin(plugin.as_str()).is_some());
    let gauges = Gauges {
        connections: node.tasks.len(),
        running: node.admission.n_running(),
        model_requests: node.admission.n_model_requests(),
        runs: node.runs.n_running(),
        plugins: live.plugins().len(),
        limits: node.ledger.quotas().totals().to_vec(),
        limits_lost: node.ledger.quotas().n_lost(),
        lines_dropped: node.lines.n_dropped(),
        is_draining: node.drain.has_begun(),
    };
    let page = page(&node.metrics, gauges).map_err(|error| {
        Problem::host(500, "metrics", "The metrics could not be written", error.to_string()).at(Step::Reply)
    })?;
    let mut response = Response::new(page.into());
    let openmetrics = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, openmetrics);
    Ok(response)
}

fn is_open(networks: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> bool {
    let is_forwarded = FORWARDING.iter().any(|name| headers.contains_key(*name));
    let peer = peer.to_canonical();
    !is_forwarded && networks.iter().any(|network| network.contains(&peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_open_to_named_networks_and_to_nobody_behind_a_proxy() {
        let networks: Vec<IpNet> = vec!["127.0.0.0/8".parse().unwrap(), "fdaa::/16".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (peer, expected) in
            [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("fdaa:1::2", true), ("10.0.0.1", false)]
        {
            assert_eq!(is_open(&networks, peer.parse().unwrap(), &headers), expected, "{peer}");
        }
        headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
        assert!(!is_open(&networks, "127.0.0.1".parse().unwrap(), &headers));
    }
}
