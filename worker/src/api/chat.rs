//! `POST /v1/chat/completions`, whole or streamed.

mod answer;
mod request;
mod stream;

pub(super) use request::{RawMessage, messages};

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{
    App, body,
    error::{ApiError, chain},
    state::blocking,
};
use crate::{
    chat::{ChatJob, ChatModel, Constraint, Event, Outcome, SchemaError},
    engine::{CHAT_MODEL, Engine},
};
use answer::Answer;
use request::ChatRequest;

/// What happens to the answer. When this is dropped, the answer is abandoned.
type Events = UnboundedReceiver<Event>;

/// Answers a conversation. The answer's head waits until the prompt is computed, so that what can
/// fail early has a status.
pub(super) async fn complete(State(app): State<Arc<App>>, body: Body) -> Result<Response, ApiError> {
    let owed = app.admit()?;
    let request = ChatRequest::check(body::read(body).await?)?;
    if request.model != CHAT_MODEL {
        return Err(ApiError::no_model(&request.model));
    }
    let stream = request.stream;
    let engine = app.engine.clone();
    let (job, mut events) = blocking(move || prepare(&engine, request)).await??;
    app.engine.submit_chat(job)?;
    started(&mut events).await?;
    let answer = Answer::new();
    match stream {
        Some(usage) => Ok(stream::response(stream::Parts { answer, events, usage, _owed: owed })),
        None => {
            let (text, outcome) = whole(&mut events).await?;
            Ok(Json(answer.completion(text, outcome)).into_response())
        }
    }
}

/// Tokens and grammar of a request: some milliseconds of computing.
fn prepare(engine: &Engine, request: ChatRequest) -> Result<(ChatJob, Events), ApiError> {
    let prompt = engine.chat.prompt(&request.messages, true).map_err(|error| ApiError::internal(&error))?;
    let max_tokens = max_tokens(prompt.len(), request.max_tokens)?;
    let constraint = constraint(engine, request.schema)?;
    let (sender, events) = mpsc::unbounded_channel();
    let ChatRequest { sampling, stops, .. } = request;
    let queued = Instant::now();
    Ok((ChatJob { prompt, max_tokens, sampling, stops, constraint, events: sender, queued }, events))
}

/// What is left of the context where nothing was asked for, as in vLLM.
fn max_tokens(prompt: usize, asked: Option<usize>) -> Result<usize, ApiError> {
    let context = ChatModel::CONTEXT;
    let left = context.saturating_sub(prompt);
    let wanted = asked.unwrap_or(left.max(1));
    if wanted <= left {
        return Ok(wanted);
    }
    let message = format!(
        "this model takes {context} tokens; the messages have {prompt} and {wanted} more are asked for: shorten one"
    );
    Err(ApiError::context("messages", message))
}

fn constraint(engine: &Engine, schema: Option<serde_json::Value>) -> Result<Option<Constraint>, ApiError> {
    let compiled = schema.map(|schema| engine.chat.constraint(schema)).transpose();
    compiled.map_err(|error: SchemaError| ApiError::invalid("response_format", chain(&error)))
}

async fn started(events: &mut Events) -> Result<(), ApiError> {
    match events.recv().await {
        Some(Event::Failed(error)) => Err(error.into()),
        Some(_) => Ok(()),
        None => Err(ApiError::draining()),
    }
}

async fn whole(events: &mut Events) -> Result<(String, Outcome), ApiError> {
    let mut text = String::new();
    loop {
        match events.recv().await {
            Some(Event::Started) => {}
            Some(Event::Text(more)) => text.push_str(&more),
            Some(Event::Ended(outcome)) => return Ok((text, outcome)),
            Some(Event::Failed(error)) => return Err(error.into()),
            None => return Err(ApiError::draining()),
        }
    }
}
