//! Rows of a journal, as they are written.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sophia_sandbox::{Answer, HostCall, SubStep};
use sophia_store::runs::{EventRow, RunWrite, StepAnswer, StepRow, StepUsage};

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// In microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// An event as a row that is to be written.
pub(crate) fn event(row: EventRow) -> RunWrite {
    RunWrite::Event(Box::new(row))
}

pub(super) fn agent_id(at: SubStep) -> String {
    format!("{}.{}", at.step, at.item)
}

pub(super) fn row(at: SubStep, k: u32, call: HostCall) -> StepRow {
    StepRow {
        step: at.step,
        item: at.item,
        k,
        call: call.as_str().to_owned(),
        began_micros: now(),
        ended_micros: None,
        intent: None,
        answer: None,
        model: None,
        usage: None,
        error: None,
    }
}

pub(super) fn step(at: SubStep, k: u32, call: HostCall, intent: String) -> RunWrite {
    RunWrite::Step(Box::new(StepRow { intent: Some(intent), ..row(at, k, call) }))
}

pub(super) fn answered(at: SubStep, k: u32, answer: &Answer) -> RunWrite {
    RunWrite::Answer(Box::new(StepAnswer {
        step: at.step,
        item: at.item,
        k,
        ended_micros: now(),
        answer: answer.record.to_string(),
        model: answer.model.clone(),
        usage: answer.usage.map(|usage| StepUsage { tokens: usage.tokens, cost: usage.cost }),
        error: answer.error.as_ref().map(|error| json!(error).to_string()),
    }))
}
