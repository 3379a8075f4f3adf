//! Texts that become vectors.

use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use crate::{
    Asker, EmbedRequest, Encoding, ModelError, ModelKind, Receipt, Trip, Unanswered, UpstreamError,
    attempts::Attempts,
    chat::unwritable,
    fleet::{Naming, Served},
    models::{Ask, Inner},
    tab::Tab,
    upstream_error::Failure,
    usage::Report,
    wire::{self, Post},
};

/// Vectors of one model; all have the same length.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One vector a text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// How they came about.
    pub receipt: Receipt,
}

#[derive(Deserialize)]
struct Written<'a> {
    data: Vec<Item>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

#[derive(Serialize)]
struct Shown<'a> {
    object: &'a str,
    data: Vec<ShownItem<'a>>,
    model: &'a str,
    usage: ShownUsage,
}

#[derive(Serialize)]
struct ShownItem<'a> {
    object: &'a str,
    index: usize,
    embedding: ShownVector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ShownVector<'a> {
    Floats(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct ShownUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

type Read = (Vec<Vec<f32>>, Option<Report>);

/// A vector of 8,192 numbers, written with all their digits.
const MAX_VECTOR: u64 = 192 << 10;

/// 2,048 vectors of 2,048 numbers, which is the most that OpenAI's models give.
const MAX_ANSWER: u64 = 96 << 20;

/// Above this an answer is read off the async threads: a tick is a millisecond, and JSON is read
/// at some 300 bytes a microsecond.
const MAX_READ_IN_PLACE: usize = 256 << 10;

impl Inner {
    pub(crate) async fn embed(
        &self,
        asker: &Asker,
        request: &EmbedRequest,
        naming: Naming,
    ) -> Result<Embeddings, Unanswered> {
        let mut trip = Trip::default();
        let answered = self.try_embed(asker, request, naming, &mut trip).await;
        answered.map_err(|error| Unanswered { error, trip })
    }

    async fn try_embed(
        &self,
        asker: &Asker,
        request: &EmbedRequest,
        naming: Naming,
        trip: &mut Trip,
    ) -> Result<Embeddings, ModelError> {
        let mut attempts = Attempts::default();
        for served in self.plan(asker, Ask::of_texts(request, naming), trip).await? {
            match self.embed_once(asker, request, &served, trip).await {
                Ok((vectors, tab)) => {
                    return Ok(Embeddings { vectors, receipt: Receipt::new(&served, tab.settle(), attempts, *trip) });
                }
                Err(failure) => attempts.note(&served, failure)?,
            }
        }
        Err(attempts.give_up())
    }

    async fn embed_once(
        &self,
        asker: &Asker,
        request: &EmbedRequest,
        served: &Served,
        trip: &mut Trip,
    ) -> Result<(Vec<Vec<f32>>, Tab), Failure> {
        let bounds = served.embed_bounds(request.prompt().tokens(), request.texts.len());
        let mut tab = self.open_tab(asker, &request.target, served, bounds).await?;
        let body = request.body(&served.model.id).map_err(unwritable)?;
        let call = served.upstream.pulse.begin(Instant::now());
        let began = Instant::now();
        tab.begin();
        let fetched = self.fetch_vectors(asker, served, body, request.texts.len()).await;
        let waited = began.elapsed();
        trip.waited += waited;
        match fetched {
            Ok((vectors, report)) => {
                call.answered();
                served.latency.observe(Instant::now(), waited);
                report.into_iter().for_each(|report| tab.report(report));
                Ok((vectors, tab))
            }
            Err(failure) => {
                failure.tell(&call);
                tab.release();
                Err(failure)
            }
        }
    }

    async fn fetch_vectors(
        &self,
        asker: &Asker,
        served: &Served,
        body: Vec<u8>,
        n_texts: usize,
    ) -> Result<Read, Failure> {
        let max_response = MAX_VECTOR.saturating_mul(n_texts as u64).min(MAX_ANSWER);
        let url = served.upstream.url("embeddings");
        let post = Post { url, body, timeout: served.upstream.total, max_response };
        let answer = wire::send_whole(&self.egress, asker, served, post).await?;
        read_anywhere(answer, n_texts).await.map_err(Failure::Upstream)
    }
}

impl<'a> Ask<'a> {
    fn of_texts(request: &'a EmbedRequest, naming: Naming) -> Self {
        Self {
            target: &request.target,
            naming,
            kind: ModelKind::Embedding,
            input_tokens: request.prompt().tokens(),
            max_output_tokens: None,
            is_streamed: false,
        }
    }
}

impl Embeddings {
    /// OpenAI's answer. Takes a while for many vectors: not for the async threads then.
    pub fn to_json(&self, encoding: Encoding) -> Result<String, serde_json::Error> {
        let data = self.vectors.iter().enumerate().map(|(index, vector)| {
            let embedding = match encoding {
                Encoding::Float => ShownVector::Floats(vector),
                Encoding::Base64 => ShownVector::Base64(base64(vector)),
            };
            ShownItem { object: "embedding", index, embedding }
        });
        let n_tokens = self.receipt.used.tokens.input;
        let usage = ShownUsage { prompt_tokens: n_tokens, total_tokens: n_tokens };
        serde_json::to_string(&Shown { object: "list", data: data.collect(), model: &self.receipt.model, usage })
    }
}

/// Little-endian `f32` (the `openai` client decodes it with `numpy.frombuffer`).
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Joined in any case but one: where the future is dropped, the reading ends by itself soon.
async fn read_anywhere(answer: Bytes, n_texts: usize) -> Result<Read, UpstreamError> {
    if answer.len() <= MAX_READ_IN_PLACE {
        return read(&answer, n_texts);
    }
    let reading = spawn_blocking(move || read(&answer, n_texts)).await;
    reading.unwrap_or(Err(UpstreamError::Answer("its answer cannot be read")))
}

/// Reads the vectors into the order of the texts. All or none.
fn read(body: &[u8], n_texts: usize) -> Result<Read, UpstreamError> {
    let written: Written<'_> =
        serde_json::from_slice(body).map_err(|_| UpstreamError::Answer("its answer is no list of embeddings"))?;
    let report = written.usage.and_then(|usage| Report::read(usage.get()));
    let mut items = written.data;
    items.sort_by_key(|item| item.index);
    let is_complete = items.iter().map(|item| item.index).eq(0..n_texts);
    let n_dimensions = items.first().map_or(0, |item| item.embedding.len());
    let is_even = n_dimensions > 0 && items.iter().all(|item| item.embedding.len() == n_dimensions);
    if !is_complete || !is_even {
        return Err(UpstreamError::Answer("it did not give one vector for each text, all of one length"));
    }
    if items.iter().flat_map(|item| &item.embedding).any(|number| !number.is_finite()) {
        return Err(UpstreamError::Answer("a vector holds what is no number"));
    }
    Ok((items.into_iter().map(|item| item.embedding).collect(), report))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(json: &str, n_texts: usize) -> Result<Vec<Vec<f32>>, UpstreamError> {
        read(json.as_bytes(), n_texts).map(|(vectors, _)| vectors)
    }

    #[test]
    fn reads_a_vector_for_each_text_in_order_or_nothing() {
        let two = r#"{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1.5,-2e-3]}]}"#;
        assert_eq!(vectors(two, 2).unwrap(), [[1.5, -0.002], [3.0, 4.0]]);
        for (json, n_texts) in [
            (two, 1),
            (two, 3),
            (r#"{"data":[{"index":0,"embedding":[]}]}"#, 1),
            (r#"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}]}"#, 2),
            (r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#, 2),
            (r#"{"data":[{"index":0,"embedding":[1e39]}]}"#, 1),
            (r#"{"data":[{"index":0,"embedding":[null]}]}"#, 1),
            (r#"{"data":[{"index":0,"embedding":"AACAPw=="}]}"#, 1),
            (r#"{"error":{"message":"no"}}"#, 1),
        ] {
            assert!(matches!(vectors(json, n_texts), Err(UpstreamError::Answer(_))), "{json}");
        }
    }

    #[test]
    fn base64_is_little_endian() {
        assert_eq!(base64(&[1.0, -2.5]), "AACAPwAAIMA=");
    }
}
