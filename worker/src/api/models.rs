//! `GET /v1/models` and `GET /v1/models/{model}`, with vLLM's `max_model_len`, and with what each
//! model makes: a node that finds this worker serves them by that.

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
    kind: Kind,
    max_model_len: usize,
}

/// What a model makes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Chat,
    Embedding,
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
    let model = |id, owned_by, kind, max_model_len| Model {
        id,
        object: "model",
        created: app.started,
        owned_by,
        kind,
        max_model_len,
    };
    [
        model(CHAT_MODEL, "HuggingFaceTB", Kind::Chat, ChatModel::CONTEXT),
        model(EMBEDDING_MODEL, "sentence-transformers", Kind::Embedding, EmbeddingModel::CONTEXT),
    ]
}
