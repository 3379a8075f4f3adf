//! The life of a request.

use std::{net::SocketAddr, pin::pin, sync::Arc};

use http::{Request, Response};
use hyper::body::Incoming;
use tracing::Instrument;

use super::{body::Body, caller_body::CallerBody, exchange::Exchange, host};
use crate::{control::Control, data::Target, metrics::Route, node::Node, share};

/// What answers requests. Built once at boot.
pub(crate) struct Service {
    /// The node.
    pub(crate) node: Arc<Node>,
    /// The routes of the control API.
    pub(crate) control: Control,
}

/// Answers a request. Never fails: the caller always gets an answer.
///
/// Routes that call plugins are matched by hand and come first, since every call pays for what
/// stands before it; the rest goes through a router.
pub(crate) async fn handle(service: Arc<Service>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = CallerBody::new(body, &head.headers, &service.node.tasks);
    let uri = head.uri.clone();
    let target = Target::of(uri.path());
    let route = target.as_ref().map_or_else(|| Route::of_control(uri.path()), Target::route);

    let opening = (&head.method, &head.uri, &head.headers);
    let mut exchange = Exchange::begin(service.node.clone(), peer.ip(), route, opening);
    let span = exchange.span.clone();
    // Pinned where it stands: the future of a guest's call is large, and need not be moved about.
    let outcome = {
        let answering = pin!(async {
            host::check(&head)?;
            share::check(&service.node, &route)?;
            match target {
                Some(target) => target.call(&mut exchange, head, body).await,
                None => service.control.answer(&mut exchange, head, body).await,
            }
        });
        answering.instrument(span).await
    };
    exchange.finish(outcome)
}
