//! `/v1/swarms` and `/v1/runs`: patterns that run, and what is known of each run.

mod shown;
mod start;
mod stream;

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, State},
    response::Response,
};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use sophia_domain::{Chain, PluginName, Problem, ProblemDocument, RunId, Step};
use sophia_identity::{Kind, Permission, Resource};
use sophia_runs::{CancelError, RunFilter, RunRef, RunRow, RunStatus};

use super::{
    Refusal,
    access::Row,
    extract::{Named, Params, Permitted, answer},
};
use crate::node::Node;
use shown::{JournalRow, ShownEvent, ShownRun, Summary};

pub(super) use start::start;
pub(super) use stream::events;

/// A run that is there, of the caller's tenant, to which the caller may do what the route does.
pub(super) struct Found(pub(super) RunRow);

/// `?pattern=&status=&before=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    #[serde(default)]
    pattern: Option<PluginName>,
    #[serde(default)]
    status: Option<String>,
    /// The `number` of the last run of an earlier page.
    #[serde(default)]
    before: Option<u64>,
    #[serde(default)]
    limit: Option<u32>,
}

/// `?after=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventParams {
    #[serde(default)]
    pub(super) after: Option<u64>,
    #[serde(default)]
    limit: Option<u32>,
}

/// `?after=step.item.k&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalParams {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(Serialize)]
struct RunList {
    runs: Vec<ShownRun>,
    /// For the next page; none where this is the last.
    next: Option<u64>,
}

#[derive(Serialize)]
struct Timeline {
    run: ShownRun,
    summary: Summary,
    events: Vec<ShownEvent>,
    /// For the next page; none where this is the last for now.
    next: Option<u64>,
}

#[derive(Serialize)]
struct Journal {
    run: String,
    steps: Vec<JournalRow>,
    next: Option<String>,
}

const DEFAULT_RUNS: u32 = 50;
const DEFAULT_EVENTS: u32 = 1_000;
const DEFAULT_STEPS: u32 = 100;

/// Longest id that is looked for.
const MAX_ID: usize = 64;

/// Runs that the caller may see, newest first.
pub(super) async fn list(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Params(params): Params<ListParams>,
) -> Result<Response, Refusal> {
    let status = params.status.as_deref().map(status).transpose()?;
    let filter = RunFilter { pattern: params.pattern, status };
    let limit = params.limit.unwrap_or(DEFAULT_RUNS).clamp(1, 200);
    let rows = node.runs.list(&caller.tenant, &filter, params.before, limit).await.map_err(unreadable)?;
    let next = rows.last().map(|row| row.number).filter(|_| rows.len() as u64 >= u64::from(limit));
    let seen = rows.into_iter().filter(|row| caller.has(Permission::SophiaRead, resource(row)));
    let runs = seen.map(ShownRun::of).collect();
    answer(200, &RunList { runs, next })
}

/// One run.
pub(super) async fn get(Found(row): Found) -> Result<Response, Refusal> {
    answer(200, &ShownRun::of(row))
}

/// What people see of a run: events and their sums.
pub(super) async fn timeline(
    Found(row): Found,
    State(node): State<Arc<Node>>,
    Params(params): Params<EventParams>,
) -> Result<Response, Refusal> {
    let run = row.new.run.clone();
    let limit = params.limit.unwrap_or(DEFAULT_EVENTS).clamp(1, DEFAULT_EVENTS);
    let rows = node.runs.events(&run, params.after.unwrap_or_default(), limit).await.map_err(unreadable)?;
    let totals = node.runs.totals(&run).await.map_err(unreadable)?;
    let next = rows.last().map(|event| event.seq).filter(|_| rows.len() as u64 >= u64::from(limit));
    let events = rows.into_iter().map(|event| ShownEvent::of(event, &row.new)).collect();
    let summary = Summary::of(totals, &row);
    answer(200, &Timeline { run: ShownRun::of(row), summary, events, next })
}

/// What a run did and was told, for a replay and for whoever looks for a fault.
pub(super) async fn journal(
    Found(row): Found,
    State(node): State<Arc<Node>>,
    Params(params): Params<JournalParams>,
) -> Result<Response, Refusal> {
    let after = params.after.as_deref().map(place).transpose()?;
    let limit = params.limit.unwrap_or(DEFAULT_STEPS).clamp(1, 500);
    let rows = node.runs.journal(&row.new.run, after, limit).await.map_err(unreadable)?;
    let next = rows.last().filter(|_| rows.len() as u64 >= u64::from(limit));
    let next = next.map(|last| format!("{}.{}.{}", last.step, last.item, last.k));
    let steps = rows.into_iter().map(JournalRow::from).collect();
    answer(200, &Journal { run: row.new.run.id.to_string(), steps, next })
}

/// Ends a run; answers when its record is closed.
pub(super) async fn cancel(Found(row): Found, State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    let run = &row.new.run;
    let ended = node.runs.cancel(run).await.map_err(|error| match error {
        CancelError::Unknown => unknown(run.id.as_str()),
        CancelError::Ended(status) => {
            let detail = format!("the run has {} already, and cannot be cancelled", status.as_str());
            Problem::caller(409, "run-ended", "The run has ended", detail).at(Step::Call)
        }
        CancelError::Store(error) => unreadable(error),
    })?;
    answer(200, &ShownRun::of(ended))
}

impl FromRequestParts<Arc<Node>> for Found {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Refusal> {
        let Permitted(caller) = Permitted::from_request_parts(parts, node).await?;
        let Named(id) = Named::<String>::from_request_parts(parts, node).await?;
        if id.len() > MAX_ID {
            return Err(unknown(&id).into());
        }
        let run = RunRef { tenant: caller.tenant.clone(), id: RunId::from(id.as_str()) };
        let found = node.runs.get(&run).await.map_err(unreadable)?;
        // One that the caller may not see is as one that is not there.
        let needed = parts.extensions.get::<Row>().and_then(|row| row.needs);
        let seen = found.filter(|row| needed.is_some_and(|needed| caller.has(needed, resource(row))));
        seen.map(Self).ok_or_else(|| unknown(&id).into())
    }
}

fn resource(row: &RunRow) -> Resource<'static> {
    Resource::of(Kind::Run, format!("{}/{}", row.new.pattern, row.new.run.id))
}

fn unknown(id: &str) -> ProblemDocument {
    let id: String = id.chars().filter(|c| !c.is_control()).take(MAX_ID).collect();
    let detail = format!("there is no run `{id}`: GET /v1/runs lists them");
    Problem::caller(404, "unknown-run", "There is no such run", detail).at(Step::Lookup)
}

fn status(word: &str) -> Result<RunStatus, ProblemDocument> {
    RunStatus::parse(word).ok_or_else(|| {
        let words = RunStatus::ALL.map(RunStatus::as_str).join(", ");
        Problem::caller(400, "invalid-query", "The query cannot be", format!("`status` is one of {words}"))
            .at(Step::Request)
    })
}

/// `step.item.k`
fn place(text: &str) -> Result<(u32, u32, u32), ProblemDocument> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten(), parts.next()) {
        (Some(step), Some(item), Some(k), None) => Ok((step, item, k)),
        _ => {
            let detail = "`after` is the `next` of an earlier page, such as `3.0.1`";
            Err(Problem::caller(400, "invalid-query", "The query cannot be", detail).at(Step::Request))
        }
    }
}

/// For runs that cannot be read or written.
fn unreadable(error: impl std::error::Error + 'static) -> ProblemDocument {
    tracing::error!(error = %Chain(&error), "the runs failed");
    Problem::host(500, "runs", "The node failed", "the run cannot be read or written; the node's log says why")
        .at(Step::Store)
}
