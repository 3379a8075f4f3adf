//! `GET /v1/models` and `GET /v1/models/{model}`, with vLLM's `max_model_len`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;

use super::{App, error::ApiError};
use crate::{
    chat::ChatModel,
    embedding::EmbeddingModel,
    engine::{CHAT_MODEL, EMBEDDING_MODEL},
};

#[derive(Debug, Serialize)]
pub(super) struct ModelList {
    object: &'static str,
    data: [Model; 2],
}

/// One model, as OpenAI lists it.
#[derive(Debug, Serialize)]
pub(super) struct Model {
    id: &'static str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    max_model_len: usize,
}

/// All models.
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<ModelList> {
    Json(ModelList { object: "list", data: all(&app) })
}

/// One of them.
pub(super) async fn one(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Json<Model>, ApiError> {
    all(&app).into_iter().find(|model| model.id == name).map(Json).ok_or_else(|| ApiError::no_model(&name))
}

fn all(app: &App) -> [Model; 2] {
    let model =
        |id, owned_by, max_model_len| Model { id, object: "model", created: app.started, owned_by, max_model_len };
    [
        model(CHAT_MODEL, "HuggingFaceTB", ChatModel::CONTEXT),
        model(EMBEDDING_MODEL, "sentence-transformers", EmbeddingModel::CONTEXT),
    ]
}
