//! Runs in answers.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use sophia_domain::{Blame, Digest, PluginName, Tokens};
use sophia_runs::{EventRow, NewRun, RunEnd, RunRow, RunStatus, StepRow, TimelineTotals};

use super::super::amount::Amount;

/// A run.
#[derive(Serialize)]
pub(super) struct ShownRun {
    id: String,
    number: u64,
    pattern: PluginName,
    digest: Digest,
    status: &'static str,
    budget: Amount,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    duration_ms: Option<f64>,
    outcome: Option<ShownOutcome>,
    failure: Option<ShownFailure>,
    spent: ShownSpent,
}

#[derive(Serialize)]
struct ShownOutcome {
    content: Option<Box<RawValue>>,
    confidence: Option<f32>,
}

#[derive(Serialize)]
struct ShownFailure {
    /// The kind of fault.
    fault: Option<String>,
    /// The plugin's own error.
    error: Option<Box<RawValue>>,
    blame: Option<Blame>,
    detail: Option<String>,
}

#[derive(Serialize)]
struct ShownSpent {
    cost: Amount,
    calls: u64,
    tokens: Tokens,
    /// What a node may have spent beyond it when it died.
    unreconciled: Amount,
}

/// An event of a timeline.
#[derive(Serialize)]
pub(super) struct ShownEvent {
    pub(super) seq: u64,
    at: Option<Timestamp>,
    pub(super) kind: String,
    /// Who added it: `host` or `pattern`.
    by: &'static str,
    pattern: PluginName,
    digest: Digest,
    agent: Option<String>,
    role: Option<String>,
    model: Option<String>,
    content: Option<String>,
    data: Option<Box<RawValue>>,
    cost: Option<Amount>,
    tokens: Option<u64>,
    duration_ms: Option<f64>,
    parent: Option<u64>,
}

/// A timeline summed up.
#[derive(Serialize)]
pub(super) struct Summary {
    events: u64,
    cost: Amount,
    tokens: u64,
    duration_ms: Option<f64>,
    errors: u64,
    roles: Vec<ShownRole>,
}

#[derive(Serialize)]
struct ShownRole {
    role: String,
    messages: u64,
    cost: Amount,
    tokens: u64,
}

/// A row of a journal.
#[derive(Serialize)]
pub(super) struct JournalRow {
    step: u32,
    item: u32,
    k: u32,
    call: String,
    began_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    intent: Option<Box<RawValue>>,
    answer: Option<Box<RawValue>>,
    model: Option<String>,
    tokens: Option<Tokens>,
    cost: Option<Amount>,
    error: Option<Box<RawValue>>,
}

impl ShownRun {
    /// As the record has it.
    pub(super) fn of(row: RunRow) -> Self {
        let RunRow { number, new, status, ended_micros, duration_micros, end, spent } = row;
        Self {
            id: new.run.id.to_string(),
            number,
            pattern: new.pattern,
            digest: new.digest,
            status: status.as_str(),
            budget: new.budget.into(),
            started_at: time(new.started_micros),
            ended_at: ended_micros.and_then(time),
            duration_ms: duration_micros.map(millis),
            outcome: (status == RunStatus::Succeeded)
                .then(|| ShownOutcome { content: end.content.clone().and_then(json), confidence: end.confidence }),
            failure: matches!(status, RunStatus::Failed | RunStatus::Cancelled).then(|| ShownFailure::from(end)),
            spent: ShownSpent {
                cost: spent.cost.into(),
                calls: spent.n_charges,
                tokens: spent.tokens,
                unreconciled: spent.unreconciled.into(),
            },
        }
    }
}

impl From<RunEnd> for ShownFailure {
    fn from(end: RunEnd) -> Self {
        Self { fault: end.fault, error: end.error.and_then(json), blame: end.blame, detail: end.detail }
    }
}

impl ShownEvent {
    /// With the plugin and the version that the run pins.
    pub(super) fn of(row: EventRow, run: &NewRun) -> Self {
        Self {
            seq: row.seq,
            at: time(row.at_micros),
            kind: row.kind,
            by: if row.is_guests { "pattern" } else { "host" },
            pattern: run.pattern.clone(),
            digest: run.digest,
            agent: row.agent,
            role: row.role,
            model: row.model,
            content: row.content,
            data: row.data.and_then(json),
            cost: row.cost.map(Amount::from),
            tokens: row.tokens,
            duration_ms: row.duration_micros.map(millis),
            parent: row.parent,
        }
    }
}

impl Summary {
    /// From the events' sums; the time is that of the run.
    pub(super) fn of(totals: TimelineTotals, row: &RunRow) -> Self {
        let roles = totals.roles.into_iter().map(|total| ShownRole {
            role: total.role,
            messages: total.n_messages,
            cost: total.cost.into(),
            tokens: total.tokens,
        });
        Self {
            events: totals.n_events,
            cost: totals.cost.into(),
            tokens: totals.tokens,
            duration_ms: row.duration_micros.map(millis),
            errors: totals.n_errors,
            roles: roles.collect(),
        }
    }
}

impl From<StepRow> for JournalRow {
    fn from(row: StepRow) -> Self {
        Self {
            step: row.step,
            item: row.item,
            k: row.k,
            call: row.call,
            began_at: time(row.began_micros),
            ended_at: row.ended_micros.and_then(time),
            intent: row.intent.and_then(json),
            answer: row.answer.and_then(json),
            model: row.model,
            tokens: row.usage.map(|usage| usage.tokens),
            cost: row.usage.map(|usage| usage.cost.into()),
            error: row.error.and_then(json),
        }
    }
}

fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

fn millis(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64() * 1_000.0
}

/// What the room keeps as JSON is JSON.
fn json(text: String) -> Option<Box<RawValue>> {
    RawValue::from_string(text).ok()
}
