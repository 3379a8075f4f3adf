//! The HTTP API: OpenAI's routes in OpenAI's shapes, vLLM's `/tokenize`, and what operators ask.
//!
//! As in vLLM, a field that is not known is ignored and one of a wrong type is refused. A known
//! one whose wish cannot be fulfilled (`n` over 1, `tools`, `logprobs`) is refused too: no answer
//! pretends. Every error has OpenAI's form, see [`error`].

mod body;
mod chat;
mod embeddings;
mod error;
mod models;
mod observe;
mod state;
mod tokenize;

pub(crate) use state::App;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use error::ApiError;

/// What OpenMetrics asks to be served as.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::one))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/tokenize", post(tokenize::tokenize))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .layer(middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// 200 while requests are taken, 503 while the worker drains: what a balancer looks at.
async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    let (status, word) = match app.drain.has_begun() {
        false => (StatusCode::OK, "ok"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let models =
        app.engine.load_now().map(|load| json!({ "id": load.model, "running": load.running, "waiting": load.waiting }));
    (status, Json(json!({ "status": word, "models": models })))
}

async fn metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let page = app.metrics.page(&app.engine.load_now()).map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], page).into_response())
}
