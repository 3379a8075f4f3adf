//! `POST /v1/swarms/{pattern}/runs`

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use sophia_domain::{Digest, Problem, ProblemDocument, Step, Usd, World};
use sophia_identity::Caller;
use sophia_ledger::Pass;
use sophia_registry::LivePlugin;
use sophia_runs::{Order, StartError, Started, Work};
use sophia_sandbox::Call;
use tracing::Instrument;

use super::{ShownRun, unreadable};
use crate::{
    control::{
        Asked, Refusal,
        extract::{Named, Permitted, answer, collect},
    },
    data,
    http::problem,
    json,
    metrics::PluginMeter,
    node::Node,
};

/// `{arguments?, budget?}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    #[serde(default)]
    arguments: Option<Box<RawValue>>,
    #[serde(default)]
    budget: Option<String>,
}

/// What a body is beside its arguments: names, quotes, a budget.
const MAX_REST: u64 = 1 << 10;

/// Longest name of a request.
const MAX_KEY: usize = 255;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Seconds to come back after, where as many run as may.
const BUSY_RETRY_SECONDS: u64 = 5;

/// Begins a run and answers at once: it goes on by itself.
pub(in crate::control) async fn start(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(pattern): Named<String>,
    (Extension(asked), pass): (Extension<Asked>, Option<Extension<Arc<Pass>>>),
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let plugin = data::live_plugin(&node, &pattern, World::Pattern)?;
    let idempotency_key = idempotency_key(&headers)?;
    let most = sophia_domain::ByteSize(plugin.limits.request.0.saturating_add(MAX_REST));
    let body = collect(body, most).await?;
    let (arguments, budget) = read(&body, &plugin)?;
    let meter = node.metrics.plugin(&plugin.name);
    let place = node.admission.admit(&meter, plugin.enter()).map_err(|full| {
        node.metrics.refused.inc();
        if let Some(Extension(pass)) = &pass {
            pass.take_back();
        }
        problem::busy(&format!("{full}; try again in a moment")).at(Step::Admission)
    })?;
    let order = Order {
        tenant: caller.tenant.clone(),
        key: caller.key.clone(),
        pattern: plugin.name.clone(),
        digest: plugin.digest,
        arguments,
        budget,
        idempotency_key,
        request_digest: request_digest(&plugin, &body),
        traceparent: asked.traceparent.clone(),
        // What a limit counts as a call under way is the run, not the request.
        place: Box::new((place, pass.map(|Extension(pass)| pass))),
    };
    let work = work(plugin, meter, &caller, asked);
    let started = node.runs.start(order, work).await.map_err(refused)?;
    accepted(started)
}

/// The call of the pattern, which is made in the run's task.
fn work(plugin: Arc<LivePlugin>, meter: Arc<PluginMeter>, caller: &Caller, asked: Asked) -> Work {
    let (key, classes) = (caller.key.clone(), plugin.classes_for(Some(caller)));
    Box::new(move |run, task| {
        let connection = plugin.default_connection().clone();
        let call = Call {
            tenant: plugin.tenant.clone(),
            key,
            plugin: plugin.name.clone(),
            connection: None,
            request_id: asked.id,
            traceparent: asked.traceparent,
            limits: plugin.limits,
            rights: connection.rights.clone(),
            config: connection.config.clone(),
            secrets: connection.secrets.clone(),
            classes,
            run: Some(run),
        };
        async move {
            let span = data::call_span(&plugin);
            let done = plugin.program.run_pattern(call, task).instrument(span).await;
            let outcome = match &done.outcome {
                Ok(Ok(_)) => "ok",
                Ok(Err(error)) => problem::plugin_error_kind(error),
                Err(fault) => fault.kind(),
            };
            meter.called(outcome, done.spent);
            done
        }
        .boxed()
    })
}

fn read(body: &Bytes, plugin: &LivePlugin) -> Result<(String, Option<Usd>), ProblemDocument> {
    let request: StartRequest = json::shape(body)?;
    let arguments = request.arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.get().to_owned());
    if arguments.len() > plugin.limits.request.as_usize() {
        let detail = format!("the arguments are larger than the plugin's `request` limit of {}", plugin.limits.request);
        return Err(Problem::caller(413, "body-too-large", "The request's body is too large", detail).at(Step::Request));
    }
    let budget = request.budget.as_deref().map(str::parse::<Usd>).transpose();
    let budget = budget.map_err(|wrong| {
        Problem::caller(422, "invalid-budget", "The budget is no amount", wrong.to_string()).at(Step::Request)
    })?;
    Ok((arguments, budget))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ProblemDocument> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let detail = format!("`Idempotency-Key` is 1 to {MAX_KEY} visible ASCII characters");
        Problem::caller(400, "invalid-idempotency-key", "The idempotency key cannot be", detail).at(Step::Request)
    })
}

/// Of the pattern and the body as they were sent, byte for byte.
fn request_digest(plugin: &LivePlugin, body: &[u8]) -> Digest {
    let mut request = plugin.name.as_str().as_bytes().to_vec();
    request.push(b'\n');
    request.extend_from_slice(body);
    Digest::of(&request)
}

fn accepted(started: Started) -> Result<Response, Refusal> {
    let location = format!("/v1/runs/{}", started.run.new.run.id);
    let mut response = answer(202, &ShownRun::of(started.run))?;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if !started.is_new {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn refused(error: StartError) -> ProblemDocument {
    let text = error.to_string();
    match error {
        StartError::Arguments(_) => {
            Problem::caller(400, "malformed-json", "The arguments are no JSON", text).at(Step::Request)
        }
        StartError::NoBudget | StartError::TooDear { .. } => {
            let detail = format!("{text}; `[runs]` of the node's configuration says what is allowed");
            Problem::caller(422, "invalid-budget", "The budget cannot be", detail).at(Step::Request)
        }
        StartError::Reused { .. } => {
            let detail = format!("{text}; send the same body again, or another key");
            Problem::caller(422, "idempotency-key-reused", "The idempotency key is another request's", detail)
                .at(Step::Lookup)
        }
        StartError::Busy(_) => {
            let problem = Problem::host(503, "busy", "The node runs as many runs as it may", text);
            problem.retry_after(BUSY_RETRY_SECONDS).at(Step::Admission)
        }
        StartError::Closed => {
            let detail = "the node stops: send requests to another one";
            Problem::host(503, "draining", "The node is stopping", detail).retry_after(1).at(Step::Admission)
        }
        StartError::Store(_) | StartError::Ledger(_) => unreadable(error),
    }
}
