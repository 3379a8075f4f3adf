//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{App, body, error::ApiError, state::blocking};
use crate::{
    embedding::{EmbedError, EmbeddingJob, EmbeddingModel},
    engine::EMBEDDING_MODEL,
};

/// As many as OpenAI takes.
const MAX_INPUTS: usize = 2_048;

#[derive(Debug, Deserialize)]
struct RawEmbeddings {
    model: String,
    input: RawInput,
    encoding_format: Option<Encoding>,
    dimensions: Option<usize>,
    /// vLLM's: cut an input that is too long instead of refusing it; -1 is the model's own limit.
    truncate_prompt_tokens: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a text, texts, token ids, or lists of token ids")]
enum RawInput {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

#[derive(Debug)]
enum Input {
    Text(String),
    Tokens(Vec<u32>),
}

#[derive(Debug, Serialize)]
pub(super) struct Embeddings {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'static str,
    usage: EmbeddingUsage,
}

#[derive(Debug, Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    /// Little-endian f32, as OpenAI's own clients ask for.
    Base64(String),
}

#[derive(Debug, Serialize)]
struct EmbeddingUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Vectors of texts, in their order.
pub(super) async fn embed(State(app): State<Arc<App>>, body: Body) -> Result<Json<Embeddings>, ApiError> {
    let _owed = app.admit()?;
    let raw: RawEmbeddings = body::read(body).await?;
    check(&raw)?;
    let encoding = raw.encoding_format.unwrap_or_default();
    let at_most = at_most(raw.truncate_prompt_tokens)?;
    let inputs = inputs(raw.input)?;
    let engine = app.engine.clone();
    let inputs = blocking(move || tokens(&engine.embedding, inputs, at_most)).await??;
    let prompt_tokens = inputs.iter().map(Vec::len).sum();
    let vectors = compute(&app, inputs).await?;
    app.metrics.used(EMBEDDING_MODEL, prompt_tokens, 0);
    let data = vectors.into_iter().enumerate().map(|(index, vector)| Embedding {
        object: "embedding",
        index,
        embedding: encoding.write(vector),
    });
    let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
    Ok(Json(Embeddings { object: "list", data: data.collect(), model: EMBEDDING_MODEL, usage }))
}

/// Waits for its turn and for the vectors. Dropped with the request when the client leaves, which
/// abandons the job.
async fn compute(app: &App, inputs: Vec<Vec<u32>>) -> Result<Vec<Vec<f32>>, ApiError> {
    let (answer, vectors) = oneshot::channel();
    app.engine.submit_embedding(EmbeddingJob { inputs, answer })?;
    match vectors.await {
        Ok(Ok(vectors)) => Ok(vectors),
        Ok(Err(EmbedError::Cut)) => Err(ApiError::draining()),
        Ok(Err(error)) => Err(ApiError::internal(&error)),
        // The thread panicked, and dropped the job.
        Err(error) => Err(ApiError::internal(&error)),
    }
}

fn check(raw: &RawEmbeddings) -> Result<(), ApiError> {
    if raw.model != EMBEDDING_MODEL {
        return Err(ApiError::no_model(&raw.model));
    }
    match raw.dimensions {
        None | Some(EmbeddingModel::DIMENSIONS) => Ok(()),
        Some(_) => {
            let message = format!("this model has vectors of {} dimensions only", EmbeddingModel::DIMENSIONS);
            Err(ApiError::unsupported("dimensions", message))
        }
    }
}

fn at_most(truncate: Option<i64>) -> Result<Option<usize>, ApiError> {
    let limit = match truncate {
        None => return Ok(None),
        Some(-1) => EmbeddingModel::CONTEXT,
        Some(limit) => usize::try_from(limit).unwrap_or(0),
    };
    // The two special tokens and one between them.
    if (3..=EmbeddingModel::CONTEXT).contains(&limit) {
        return Ok(Some(limit));
    }
    let message = format!("must be -1, or 3 to {}", EmbeddingModel::CONTEXT);
    Err(ApiError::invalid("truncate_prompt_tokens", message))
}

fn inputs(raw: RawInput) -> Result<Vec<Input>, ApiError> {
    let inputs: Vec<Input> = match raw {
        RawInput::Text(text) => vec![Input::Text(text)],
        RawInput::Texts(texts) => texts.into_iter().map(Input::Text).collect(),
        RawInput::Tokens(tokens) => vec![Input::Tokens(tokens)],
        RawInput::TokenLists(lists) => lists.into_iter().map(Input::Tokens).collect(),
    };
    match inputs.len() {
        1..=MAX_INPUTS => Ok(inputs),
        _ => Err(ApiError::invalid("input", format!("must hold 1 to {MAX_INPUTS} inputs"))),
    }
}

fn tokens(model: &EmbeddingModel, inputs: Vec<Input>, at_most: Option<usize>) -> Result<Vec<Vec<u32>>, ApiError> {
    let tokens = inputs.into_iter().enumerate().map(|(index, input)| {
        let param = format!("input[{index}]");
        let tokens = match input {
            Input::Text(text) if text.is_empty() => Err(ApiError::invalid(&param, "must not be empty")),
            Input::Text(text) => model.tokens(&text, at_most).map_err(|error| ApiError::internal(&error)),
            Input::Tokens(tokens) if tokens.is_empty() => Err(ApiError::invalid(&param, "must not be empty")),
            Input::Tokens(tokens) if !model.knows(&tokens) => {
                Err(ApiError::invalid(&param, "holds a token id that the model does not have"))
            }
            Input::Tokens(tokens) => Ok(tokens.into_iter().take(at_most.unwrap_or(usize::MAX)).collect()),
        }?;
        if tokens.len() > EmbeddingModel::CONTEXT {
            let (limit, has) = (EmbeddingModel::CONTEXT, tokens.len());
            let message = format!(
                "this model takes {limit} tokens and the input has {has}: split it, or send \
                 `truncate_prompt_tokens: -1`"
            );
            return Err(ApiError::context(&param, message));
        }
        Ok(tokens)
    });
    tokens.collect()
}

impl Encoding {
    fn write(self, vector: Vec<f32>) -> Vector {
        match self {
            Self::Float => Vector::Float(vector),
            Self::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                Vector::Base64(STANDARD.encode(bytes))
            }
        }
    }
}
