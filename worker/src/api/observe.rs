//! One access line and one count per request, at the first byte of its answer, and the name of the
//! server on each: a node tells by it that this is a worker.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::App;

/// What stands for the paths that are no route: there is no end of those.
const NO_ROUTE: &str = "none";
/// The routes that are counted each by itself.
const ROUTES: [&str; 7] =
    ["/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}", "/tokenize", "/health", "/metrics"];

/// Who answers, as in RFC 9110, 10.2.4.
const SERVER: HeaderValue = HeaderValue::from_static(concat!("sophia-worker/", env!("CARGO_PKG_VERSION")));

/// Around every handler.
pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, |path| known(path.as_str()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::SERVER, SERVER);
    let (status, wall) = (response.status().as_u16(), began.elapsed());
    app.metrics.answered(route, status, wall);
    tracing::info!(%method, route, status, ms = wall.as_millis(), "answered");
    response
}

fn known(path: &str) -> &'static str {
    ROUTES.into_iter().find(|route| *route == path).unwrap_or(NO_ROUTE)
}
