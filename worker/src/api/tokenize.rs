//! `POST /tokenize` as vLLM has it: what a prompt or a conversation comes to, without computing it.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State};
use serde::{Deserialize, Serialize};

use super::{
    App, body,
    chat::{RawMessage, messages},
    error::ApiError,
    state::blocking,
};
use crate::{
    chat::{ChatModel, Message},
    embedding::EmbeddingModel,
    engine::{CHAT_MODEL, EMBEDDING_MODEL, Engine},
};

#[derive(Debug, Deserialize)]
struct RawTokenize {
    model: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<RawMessage>>,
    #[serde(default = "yes")]
    add_generation_prompt: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    count: usize,
    max_model_len: usize,
    tokens: Vec<u32>,
}

enum Text {
    Prompt(String),
    Messages { messages: Vec<Message>, opens_answer: bool },
}

/// The tokens of a text. The chat model where none is named.
pub(super) async fn tokenize(State(app): State<Arc<App>>, body: Body) -> Result<Json<Tokens>, ApiError> {
    let _owed = app.admit()?;
    let raw: RawTokenize = body::read(body).await?;
    let model = raw.model.clone();
    let text = text(raw)?;
    let engine = app.engine.clone();
    blocking(move || match model.as_deref() {
        None | Some(CHAT_MODEL) => chat_tokens(&engine, text),
        Some(EMBEDDING_MODEL) => embedding_tokens(&engine, text),
        Some(other) => Err(ApiError::no_model(other)),
    })
    .await?
    .map(Json)
}

fn text(raw: RawTokenize) -> Result<Text, ApiError> {
    match (raw.prompt, raw.messages) {
        (Some(prompt), None) => Ok(Text::Prompt(prompt)),
        (None, Some(raw_messages)) => {
            Ok(Text::Messages { messages: messages(raw_messages)?, opens_answer: raw.add_generation_prompt })
        }
        _ => Err(ApiError::invalid("prompt", "either `prompt` or `messages` must be there")),
    }
}

fn chat_tokens(engine: &Engine, text: Text) -> Result<Tokens, ApiError> {
    let tokens = match text {
        Text::Prompt(prompt) => engine.chat.tokens(&prompt),
        Text::Messages { messages, opens_answer } => engine.chat.prompt(&messages, opens_answer),
    };
    let tokens = tokens.map_err(|error| ApiError::internal(&error))?;
    Ok(Tokens { count: tokens.len(), max_model_len: ChatModel::CONTEXT, tokens })
}

fn embedding_tokens(engine: &Engine, text: Text) -> Result<Tokens, ApiError> {
    let Text::Prompt(prompt) = text else {
        return Err(ApiError::unsupported("messages", "this model has no chat template: send `prompt`"));
    };
    let tokens = engine.embedding.tokens(&prompt, None).map_err(|error| ApiError::internal(&error))?;
    Ok(Tokens { count: tokens.len(), max_model_len: EmbeddingModel::CONTEXT, tokens })
}

fn yes() -> bool {
    true
}
