//! Events of a run, made while its state is locked.

use serde_json::json;
use sophia_domain::Usd;
use sophia_sandbox::{Answer, PluginError, SubStep, Usage};
use sophia_store::runs::{EventRow, RunWrite};

use super::{
    FIRST_EVENT, Open, State,
    rows::{agent_id, event, micros, now},
};
use crate::timeline::{self, AGENT_END, COST_UPDATE, ERROR};

/// Makes events, each with the next number.
pub(crate) struct Events<'a> {
    pub(super) state: &'a mut State,
}

impl Events<'_> {
    /// The next event, of the host's.
    pub(crate) fn next(&mut self, kind: &str, row: EventRow) -> EventRow {
        self.state.seq += 1;
        EventRow { seq: self.state.seq, at_micros: now(), kind: kind.to_owned(), ..row }
    }

    /// What something cost, and what that makes in all.
    pub(super) fn spent(&mut self, cost: Usd, usage: Option<Usage>, row: EventRow) -> RunWrite {
        let total = self.state.announced.checked_add(cost).unwrap_or(Usd::MAX);
        self.state.announced = total;
        let tokens = usage.map(|usage| usage.tokens.input.saturating_add(usage.tokens.output));
        let data = Some(json!({ "total_micro_usd": total }).to_string());
        event(self.next(COST_UPDATE, EventRow { cost: Some(cost), tokens, data, ..row }))
    }

    /// What people see of an item's end.
    pub(super) fn of_end(&mut self, at: SubStep, open: Open, answer: &Answer) -> Vec<RunWrite> {
        let (agent, parent) = match &open.agent {
            Some(begun) => (Some(agent_id(at)), begun.event),
            None => (None, FIRST_EVENT),
        };
        let shown = EventRow {
            agent,
            role: open.agent.as_ref().map(|begun| begun.role.clone()),
            model: answer.model.clone(),
            parent: Some(parent),
            ..EventRow::default()
        };
        let duration_micros = Some(micros(open.began.elapsed()));
        let mut writes = Vec::new();
        // What the guest gave up itself is no failure.
        if let Some(error) = answer.error.as_ref().filter(|error| **error != PluginError::Cancelled) {
            let content = Some(timeline::preview(&error.to_string()));
            let data = Some(json!({ "call": open.call.as_str(), "error": error }).to_string());
            writes.push(event(self.next(ERROR, EventRow { content, data, ..shown.clone() })));
        }
        if open.agent.is_some() {
            let data = answer.usage.map(|usage| json!({ "used": usage }).to_string());
            writes.push(event(self.next(AGENT_END, EventRow { data, duration_micros, ..shown })));
        } else if let Some(usage) = answer.usage {
            writes.push(self.spent(usage.cost, Some(usage), EventRow { duration_micros, ..shown }));
        }
        writes
    }
}
