//! How a run ended, in the words of its record.

use std::time::Duration;

use serde_json::{json, value::RawValue};
use sophia_domain::{Blame, Fault, LimitKind, Usd};
use sophia_ledger::{ChargeFilter, Ledger, LedgerError};
use sophia_sandbox::{Outcome, PluginError};
use sophia_store::runs::{Closing, EventRow, RunEnd, RunRef, RunSpent, RunStatus, RunWrite};

use crate::{
    recorder::{Events, event, micros, now},
    timeline::{self, ERROR, SWARM_END},
};

/// Why a run is not going on.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Its pattern came to an outcome.
    Outcome(Outcome),
    /// Its pattern gave an error of its own.
    Error(PluginError),
    /// Its pattern could not go on.
    Fault(Fault),
    /// Somebody cancelled it.
    Cancelled,
    /// The node ended, orderly or not.
    Interrupted,
}

/// The word for a run that its node did not end.
const INTERRUPTED: &str = "interrupted";

/// Characters of a plugin's own text that a record shows.
const MAX_TEXT: usize = 1_000;

impl Ended {
    /// How the call of the pattern ended. What the guest says is checked before it is believed.
    pub(crate) fn of(outcome: Result<Result<Outcome, PluginError>, Fault>) -> Self {
        match outcome {
            Ok(Ok(outcome)) => match check(&outcome) {
                Ok(()) => Self::Outcome(outcome),
                Err(fault) => Self::Fault(fault),
            },
            Ok(Err(error)) => Self::Error(error),
            Err(fault) => Self::Fault(fault),
        }
    }

    fn status(&self) -> RunStatus {
        match self {
            Self::Outcome(_) => RunStatus::Succeeded,
            Self::Error(_) | Self::Fault(_) | Self::Interrupted => RunStatus::Failed,
            Self::Cancelled => RunStatus::Cancelled,
        }
    }

    fn end(self) -> RunEnd {
        let failed = |fault: Option<&str>, blame, detail: String| RunEnd {
            fault: fault.map(str::to_owned),
            blame: Some(blame),
            detail: Some(detail),
            ..RunEnd::default()
        };
        match self {
            Self::Outcome(Outcome { content, confidence }) => {
                RunEnd { content: Some(content), confidence, ..RunEnd::default() }
            }
            Self::Error(error) => RunEnd {
                error: Some(json!(error).to_string()),
                ..failed(None, blame(&error), shown(&error.to_string()))
            },
            Self::Fault(fault) => failed(Some(fault.kind()), fault.blame(), text(&fault)),
            Self::Cancelled => failed(None, Blame::Caller, "the run was cancelled".to_owned()),
            Self::Interrupted => failed(
                Some(INTERRUPTED),
                Blame::Host,
                "the node ended while the run was under way; start it again".to_owned(),
            ),
        }
    }

    /// The last rows of a run: what went wrong, that it ended, and its record.
    pub(crate) fn rows(self, events: &mut Events<'_>, took: Duration, spent: RunSpent) -> Vec<RunWrite> {
        let status = self.status();
        let duration_micros = micros(took);
        let end = self.end();
        let said = end.detail.as_deref().or(end.content.as_deref()).map(timeline::preview);
        let row = EventRow { content: said, parent: Some(1), ..EventRow::default() };
        let mut writes = Vec::new();
        if status == RunStatus::Failed {
            let data = json!({ "fault": end.fault, "blame": end.blame });
            writes.push(event(events.next(ERROR, EventRow { data: Some(data.to_string()), ..row.clone() })));
        }
        // The total is said as one, and is no cost of this event: costs are counted once.
        let data = json!({
            "status": status.as_str(),
            "total_micro_usd": spent.cost,
            "total_tokens": spent.tokens.input.saturating_add(spent.tokens.output),
            "calls": spent.n_charges,
            "confidence": end.confidence,
        });
        let data = Some(data.to_string());
        let last = EventRow { data, duration_micros: Some(duration_micros), ..row };
        writes.push(event(events.next(SWARM_END, last)));
        let closing = Closing { status, ended_micros: now(), duration_micros, end, spent };
        writes.push(RunWrite::Close(Box::new(closing)));
        writes
    }
}

/// The sum of a run's charges. All of its calls that ended are in it.
pub(crate) async fn spent(ledger: &Ledger, run: &RunRef) -> Result<RunSpent, LedgerError> {
    let filter =
        ChargeFilter { tenant: Some(run.tenant.clone()), run: Some(run.id.clone()), ..ChargeFilter::default() };
    let totals = ledger.totals(&filter, &[]).await?;
    Ok(totals.first().map_or_else(RunSpent::default, |total| RunSpent {
        n_charges: total.n_charges,
        cost: total.cost,
        tokens: total.tokens,
        unreconciled: Usd::ZERO,
    }))
}

fn check(outcome: &Outcome) -> Result<(), Fault> {
    serde_json::from_str::<&RawValue>(&outcome.content)
        .map_err(|wrong| Fault::Contract(format!("the outcome is no JSON: {wrong}")))?;
    match outcome.confidence {
        Some(confidence) if !(0.0..=1.0).contains(&confidence) => {
            Err(Fault::Contract(format!("the confidence is {confidence}, and must be from 0 to 1")))
        }
        _ => Ok(()),
    }
}

fn blame(error: &PluginError) -> Blame {
    match error {
        PluginError::Upstream { .. } | PluginError::TimedOut => Blame::Upstream,
        PluginError::Unavailable(_) => Blame::Host,
        PluginError::Other(_) => Blame::Plugin,
        PluginError::Denied(_)
        | PluginError::NotFound(_)
        | PluginError::Invalid(_)
        | PluginError::Limited(_)
        | PluginError::Exhausted(_)
        | PluginError::Cancelled => Blame::Caller,
    }
}

/// What a caller is told of a fault. Its own text is for the log, but for a broken contract.
fn text(fault: &Fault) -> String {
    match fault {
        Fault::Trap(_) => "the pattern trapped; its logs may say more".to_owned(),
        Fault::Limit(LimitKind::Wall) => {
            "the pattern took longer than it may; its manifest may ask for more wall time".to_owned()
        }
        Fault::Limit(limit) => {
            format!("the pattern used up its `{}` limit; its manifest may ask for more", limit.as_str())
        }
        Fault::Contract(text) => format!("the pattern broke the contract: {}", shown(text)),
        Fault::Busy => "no instance was free on this node; start the run again in a moment".to_owned(),
        Fault::Cancelled => "the run was cancelled".to_owned(),
        Fault::Host(_) => "the node failed; its log has the cause under the run's id".to_owned(),
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &str, confidence: Option<f32>) -> Ended {
        Ended::of(Ok(Ok(Outcome { content: content.to_owned(), confidence })))
    }

    #[test]
    fn believes_an_outcome_only_where_it_is_one() {
        for (content, confidence, is_one) in [
            ("{}", None, true),
            ("[1]", Some(0.0), true),
            ("null", Some(1.0), true),
            ("{", None, false),
            ("", None, false),
            ("{} {}", None, false),
            ("{}", Some(1.1), false),
            ("{}", Some(-0.1), false),
            ("{}", Some(f32::NAN), false),
            ("{}", Some(f32::INFINITY), false),
        ] {
            let ended = of(content, confidence);
            assert_eq!(matches!(ended, Ended::Outcome(_)), is_one, "{content} {confidence:?}");
            assert!(is_one || matches!(ended, Ended::Fault(Fault::Contract(_))));
        }
    }

    #[test]
    fn every_end_has_its_status_and_blame() {
        let of = |ended: Ended| (ended.status(), ended.end().blame);
        assert_eq!(of(super::tests::of("1", None)), (RunStatus::Succeeded, None));
        assert_eq!(of(Ended::Fault(Fault::Trap("x".into()))), (RunStatus::Failed, Some(Blame::Plugin)));
        assert_eq!(of(Ended::Error(PluginError::Invalid("x".into()))), (RunStatus::Failed, Some(Blame::Caller)));
        assert_eq!(of(Ended::Cancelled), (RunStatus::Cancelled, Some(Blame::Caller)));
        assert_eq!(of(Ended::Interrupted), (RunStatus::Failed, Some(Blame::Host)));
    }
}
