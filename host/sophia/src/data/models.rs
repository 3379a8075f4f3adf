//! Models in OpenAI's shapes: chats, embeddings, and the list of what can be asked for.
//!
//! Every answer here, refusals included, is as OpenAI's own clients expect it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, Response, header, request::Parts};
use serde::Serialize;
use sophia_domain::{ByteSize, Problem, ProblemDocument, RouteClass, Step, TenantId};
use sophia_identity::{Permission, Resource, Unauthorised};
use sophia_models::{
    Asker, ChatRequest, ChatStream, EmbedRequest, Embeddings, Encoding, ModelEntry, ModelError, OpenAiError, Receipt,
    Unanswered,
};

use super::call;
use crate::{
    admission::ModelPermit,
    http::{body::Body, caller_body::CallerBody, exchange::Exchange, model_stream::ModelStream, openai, problem},
    json,
    metrics::Route,
    unauthorised::{forbidden, unauthorised},
};

/// What a path below `/v1/` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelTarget<'a> {
    /// `chat/completions`
    Chat,
    /// `embeddings`
    Embed,
    /// `models`
    List,
    /// `models/{id}`; an id may have slashes, and may be percent-encoded.
    One(&'a str),
}

/// Why nothing was answered.
enum Refusal {
    /// Before a model was asked.
    Problem(Box<ProblemDocument>),
    /// By the way to the models.
    Model(ModelError),
}

/// As OpenAI lists models.
#[derive(Serialize)]
struct Listed {
    object: &'static str,
    data: Vec<ListedModel>,
}

#[derive(Serialize)]
struct ListedModel {
    id: String,
    object: &'static str,
    /// When this node began: a model has no other date here.
    created: u64,
    owned_by: String,
}

/// Largest body. A million tokens, more than any model reads, are some 4 MB, and JSON's escapes
/// may double them; the texts of one embedding request are 4 MB at most.
const MAX_BODY: ByteSize = ByteSize::mib(8);

/// Longest time for it to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Above this a body is read, and above so many numbers vectors are written, off the async
/// threads: a tick is a millisecond, in which some 300 kB of JSON are read and 30 kB of numbers
/// written.
const MAX_IN_PLACE: usize = 256 << 10;
const MAX_NUMBERS_IN_PLACE: usize = 4 << 10;

/// When to come back where all places are taken: a short answer takes as long.
const BUSY_RETRY_SECONDS: u64 = 1;

impl<'a> ModelTarget<'a> {
    /// Reads what stands behind `/v1/`.
    pub(super) fn of(rest: &'a str) -> Option<Self> {
        match rest {
            "chat/completions" => Some(Self::Chat),
            "embeddings" => Some(Self::Embed),
            "models" => Some(Self::List),
            _ => rest.strip_prefix("models/").filter(|id| !id.is_empty()).map(Self::One),
        }
    }

    /// The route's name.
    pub(super) fn route(self) -> Route {
        match self {
            Self::Chat => Route::ModelsChat,
            Self::Embed => Route::ModelsEmbed,
            Self::List | Self::One(_) => Route::ModelsList,
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Chat | Self::Embed => Method::POST,
            Self::List | Self::One(_) => Method::GET,
        }
    }
}

/// Answers a request of models. Never a problem document.
pub(super) async fn answer(
    exchange: &mut Exchange,
    target: ModelTarget<'_>,
    head: &Parts,
    body: CallerBody,
) -> Response<Body> {
    if head.method != target.method() {
        return wrong_method(exchange, &target.method());
    }
    let answered = match call::authorise_for_some_model(exchange, &head.headers) {
        Ok(()) => serve(exchange, target, body).await,
        Err(refused) => Err(refused.into()),
    };
    answered.unwrap_or_else(|refusal| refusal.answer(exchange))
}

async fn serve(
    exchange: &mut Exchange,
    target: ModelTarget<'_>,
    mut body: CallerBody,
) -> Result<Response<Body>, Refusal> {
    match target {
        ModelTarget::List | ModelTarget::One(_) => {
            enter(exchange).await?;
            list_or_one(exchange, target)
        }
        ModelTarget::Chat => {
            let permit = admit(exchange).await?;
            let request = read(exchange, &mut body, ChatRequest::parse).await?;
            may_ask(exchange, request.target())?;
            chat(exchange, &request, permit).await
        }
        ModelTarget::Embed => {
            let _permit = admit(exchange).await?;
            let request = read(exchange, &mut body, EmbedRequest::parse).await?;
            may_ask(exchange, request.target())?;
            embed(exchange, &request).await
        }
    }
}

/// Refuses a caller that may ask models, and not this one.
fn may_ask(exchange: &Exchange, model: &str) -> Result<(), ProblemDocument> {
    let caller = exchange.caller().ok_or_else(|| unauthorised(&Unauthorised::Missing))?;
    caller.needs(Permission::AgentExecute, Resource::model(model)).map_err(|refused| forbidden(&refused))
}

/// Whether the caller may ask this model: what the list shows.
fn is_shown(exchange: &Exchange, model: &str) -> bool {
    exchange.caller().is_some_and(|caller| caller.has(Permission::AgentExecute, Resource::model(model)))
}

/// Counts the request against the limits of whoever asks.
async fn enter(exchange: &mut Exchange) -> Result<(), ProblemDocument> {
    exchange.enter(&TenantId::main(), RouteClass::Models).await
}

/// Takes a place among the requests under way.
async fn admit(exchange: &mut Exchange) -> Result<ModelPermit, ProblemDocument> {
    if exchange.node.drain.has_begun() {
        let problem =
            Problem::host(503, "draining", "The node is stopping", "the node stops: send requests to another one");
        return Err(problem.retry_after(BUSY_RETRY_SECONDS).at(Step::Admission));
    }
    enter(exchange).await?;
    let node = &exchange.node;
    node.admission.admit_model_request().ok_or_else(|| {
        exchange.take_back();
        node.metrics.refused.inc();
        let detail = "as many requests of models are under way as may be; try again in a moment";
        let problem = Problem::host(429, "rate-limit-exceeded", "Too many requests of models", detail);
        problem.retry_after(BUSY_RETRY_SECONDS).at(Step::Admission)
    })
}

async fn read<T: Send + 'static>(
    exchange: &mut Exchange,
    body: &mut CallerBody,
    parse: fn(&[u8]) -> Result<T, ModelError>,
) -> Result<T, Refusal> {
    let (bytes, waited) = body.collect(MAX_BODY, BODY_TIME).await.map_err(|refused| refused.problem())?;
    exchange.waited(waited);
    if bytes.len() <= MAX_IN_PLACE {
        return Ok(parse(&bytes)?);
    }
    // Joined, but where the caller left: then the reading ends by itself soon.
    let parsed = tokio::task::spawn_blocking(move || parse(&bytes)).await;
    Ok(parsed.map_err(|error| failed(&error))??)
}

async fn chat(exchange: &mut Exchange, request: &ChatRequest, permit: ModelPermit) -> Result<Response<Body>, Refusal> {
    let (models, asker) = (exchange.node.models.clone(), asker(exchange));
    if request.is_streamed() {
        let begun = models.chat_stream(&asker, request).await;
        let stream = begun.map_err(|unanswered| unanswered_by(exchange, unanswered))?;
        return Ok(stream_answer(exchange, stream, permit));
    }
    let answer = models.chat(&asker, request).await.map_err(|unanswered| unanswered_by(exchange, unanswered))?;
    answered_by(exchange, &answer.receipt);
    Ok(json::answer(answer.json.into_bytes()))
}

fn stream_answer(exchange: &mut Exchange, stream: ChatStream, permit: ModelPermit) -> Response<Body> {
    exchange.went(stream.trip());
    let meter = exchange.node.metrics.model(stream.model(), stream.upstream());
    let mut response = Response::new(Body::Model(ModelStream::new(stream, meter, permit)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

async fn embed(exchange: &mut Exchange, request: &EmbedRequest) -> Result<Response<Body>, Refusal> {
    let (models, asker) = (exchange.node.models.clone(), asker(exchange));
    let embedded = models.embed(&asker, request).await;
    let embeddings = embedded.map_err(|unanswered| unanswered_by(exchange, unanswered))?;
    answered_by(exchange, &embeddings.receipt);
    let json = written(embeddings, request.encoding()).await?;
    Ok(json::answer(json.into_bytes()))
}

async fn written(embeddings: Embeddings, encoding: Encoding) -> Result<String, Refusal> {
    let n_numbers: usize = embeddings.vectors.iter().map(Vec::len).sum();
    let written = if n_numbers <= MAX_NUMBERS_IN_PLACE {
        embeddings.to_json(encoding)
    } else {
        let writing = tokio::task::spawn_blocking(move || embeddings.to_json(encoding)).await;
        writing.map_err(|error| failed(&error))?
    };
    Ok(written.map_err(|error| failed(&error))?)
}

fn list_or_one(exchange: &Exchange, target: ModelTarget<'_>) -> Result<Response<Body>, Refusal> {
    match target {
        ModelTarget::One(id) => one(exchange, id),
        _ => list(exchange),
    }
}

fn list(exchange: &Exchange) -> Result<Response<Body>, Refusal> {
    let created = created(exchange);
    let shown = exchange.node.models.list().into_iter().filter(|entry| is_shown(exchange, &entry.id));
    let data = shown.map(|entry| ListedModel::of(entry, created)).collect();
    Ok(json::written(&Listed { object: "list", data })?)
}

fn one(exchange: &Exchange, id: &str) -> Result<Response<Body>, Refusal> {
    let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
    let found = exchange.node.models.list().into_iter().find(|entry| entry.id == id && is_shown(exchange, &id));
    let entry = found.ok_or_else(|| ModelError::Unknown { name: call::shown(&id) })?;
    Ok(json::written(&ListedModel::of(entry, created(exchange)))?)
}

/// Seconds since 1970.
fn created(exchange: &Exchange) -> u64 {
    let began = SystemTime::now().checked_sub(exchange.node.began.elapsed());
    began.and_then(|began| began.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_secs()
}

impl ListedModel {
    fn of(ModelEntry { id, owned_by }: ModelEntry, created: u64) -> Self {
        Self { id, object: "model", created, owned_by }
    }
}

/// Who pays: the caller, under the key that was sent.
fn asker(exchange: &Exchange) -> Asker {
    Asker {
        tenant: exchange.caller().map_or_else(TenantId::main, |caller| caller.tenant.clone()),
        key: exchange.key(),
        plugin: None,
        run: None,
        most: None,
        traceparent: exchange.trace.outward(&exchange.span),
    }
}

fn answered_by(exchange: &mut Exchange, receipt: &Receipt) {
    exchange.went(receipt.trip);
    let meter = exchange.node.metrics.model(&receipt.model, &receipt.upstream);
    exchange.answered_by(meter, receipt.used, None);
}

fn unanswered_by(exchange: &mut Exchange, Unanswered { error, trip }: Unanswered) -> ModelError {
    exchange.went(trip);
    error
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ProblemDocument {
    tracing::error!(error, "a request or an answer of a model could not be read or written");
    Problem::host(500, "internal", "The node failed", "the node's log has the cause").at(Step::Reply)
}

fn wrong_method(exchange: &mut Exchange, method: &Method) -> Response<Body> {
    exchange.refused(Some("refused"));
    let refused = OpenAiError::refusal(405, "method_not_allowed", format!("send a {method}"));
    let mut response = openai::answer(&refused);
    if let Ok(method) = HeaderValue::from_str(method.as_str()) {
        response.headers_mut().insert(header::ALLOW, method);
    }
    response
}

impl Refusal {
    fn answer(self, exchange: &mut Exchange) -> Response<Body> {
        match self {
            Self::Problem(document) => {
                if let Some(reached) = &document.problem.limit {
                    exchange.limited(reached);
                }
                exchange.refused(problem::failure(&document.problem));
                openai::answer(&openai::of_problem(&document))
            }
            Self::Model(error) => {
                if let ModelError::LimitReached(reached) = &error {
                    // Counted in all its limits or in none.
                    exchange.take_back();
                    exchange.limited(reached);
                }
                exchange.refused(Some(error.code()));
                openai::answer(&error.to_openai())
            }
        }
    }
}

impl From<ProblemDocument> for Refusal {
    fn from(document: ProblemDocument) -> Self {
        Self::Problem(Box::new(document))
    }
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}
