//! A swarm whose agents say what is written for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sophia_sdk::{
    Error, Money, Usage,
    agents::{Agent, Outcome},
    timeline::Kind,
};

use crate::crew::Swarm;

type Answer = Result<String, Error>;

/// Says the last thing that was written for a role again and again.
#[derive(Default)]
pub(super) struct Script {
    answers: BTreeMap<&'static str, Vec<Answer>>,
    pub(super) asked: Vec<Agent>,
    pub(super) calls: Vec<usize>,
    pub(super) events: Vec<(Kind, Value)>,
    pub(super) remaining: Option<u64>,
}

impl Script {
    /// Readers that find nothing, a critic that says nothing, a judge who passes.
    pub(super) fn new() -> Self {
        let script = Self::default().says("reviewer", findings(&[])).says("security", findings(&[]));
        let script = script.says("performance", findings(&[])).says("critic", json!({ "verdicts": [] }));
        script.says("judge", json!({ "verdict": "pass", "reason": "nothing must be mended" }))
    }

    pub(super) fn says(self, role: &'static str, answer: Value) -> Self {
        self.answers(role, vec![Ok(answer.to_string())])
    }

    pub(super) fn fails(self, role: &'static str, error: Error) -> Self {
        self.answers(role, vec![Err(error)])
    }

    /// One answer after the other.
    pub(super) fn answers(mut self, role: &'static str, answers: Vec<Answer>) -> Self {
        self.answers.insert(role, answers.into_iter().rev().collect());
        self
    }

    pub(super) fn n_asked(&self, role: &str) -> usize {
        self.asked.iter().filter(|agent| agent.role == role).count()
    }

    fn answer(&mut self, role: &str) -> Answer {
        let answers = self.answers.get_mut(role).expect(role);
        if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
    }
}

impl Swarm for Script {
    fn run_all(&mut self, agents: Vec<Agent>) -> Vec<Result<Outcome, Error>> {
        self.calls.push(agents.len());
        let usage = Usage { input_tokens: 100, output_tokens: 10, cached_tokens: 1, cost: Money { micro_usd: 7 } };
        let mut outcomes = Vec::new();
        for agent in agents {
            outcomes.push(self.answer(&agent.role).map(|content| Outcome { content, turns: 1, usage }));
            self.asked.push(agent);
        }
        outcomes
    }

    fn remaining(&mut self) -> Option<Money> {
        self.remaining.map(|micro_usd| Money { micro_usd })
    }

    fn emit(&mut self, kind: Kind, event: Value) {
        self.events.push((kind, event));
    }
}

/// An answer of a reader: quotes and severities of `src/pay.rs`.
pub(super) fn findings(quotes: &[(&str, &str)]) -> Value {
    let finding = |(quote, severity): &(&str, &str)| {
        json!({
            "file": "src/pay.rs", "quote": quote, "severity": severity, "category": "correctness",
            "message": format!("wrong: {quote}"), "suggestion": "",
        })
    };
    json!({ "findings": quotes.iter().map(finding).collect::<Vec<_>>() })
}

/// Verdicts of the critic for the ids from 1 on.
pub(super) fn verdicts(keeps: &[bool]) -> Value {
    let verdict = |(n, keep): (usize, &bool)| json!({ "id": n + 1, "keep": keep, "reason": "looked at it" });
    json!({ "verdicts": keeps.iter().enumerate().map(verdict).collect::<Vec<_>>() })
}
