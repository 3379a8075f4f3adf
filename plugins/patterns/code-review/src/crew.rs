//! Runs agents and keeps count: what they used, who is missing, and why to stop.

use serde::Serialize;
use serde_json::Value;
use sophia_sdk::{
    Error, Money, Usage,
    agents::{Agent, Outcome},
    timeline::Kind,
};

use crate::{prompt::Prompt, role::Role, text::clipped};

const MAX_DETAIL_CHARS: usize = 200;

/// What of the host a review needs. The host in a guest, a script in the tests.
pub(crate) trait Swarm {
    /// Runs agents at the same time and answers in their order.
    fn run_all(&mut self, agents: Vec<Agent>) -> Vec<Result<Outcome, Error>>;

    /// What the run may still spend, where there is a bound.
    fn remaining(&mut self) -> Option<Money>;

    /// Tells those who watch.
    fn emit(&mut self, kind: Kind, event: Value);
}

/// The classes of models that the agents think with.
#[derive(Debug, Clone)]
pub(crate) struct Classes {
    /// For those who read the diff.
    pub(crate) readers: String,
    /// For critic and judge.
    pub(crate) judges: String,
}

/// What all agents used together, as the host settled it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spent {
    /// Those that answered. What a failed one used, the run's ledger knows.
    pub(crate) agents: usize,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) cost_micro_usd: u64,
}

/// An agent that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Missing {
    pub(crate) role: Role,
    /// Which of the role's prompts, counted from 1. For those who read the diff, the chunk.
    pub(crate) part: usize,
    pub(crate) reason: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
}

/// One per review.
pub(crate) struct Crew<'s, S> {
    pub(crate) swarm: &'s mut S,
    classes: Classes,
    pub(crate) spent: Spent,
    pub(crate) missing: Vec<Missing>,
    /// The scope whose budget is used up. Nobody is asked after that.
    pub(crate) exhausted: Option<String>,
    /// Why the first agent failed.
    pub(crate) first_error: Option<Error>,
}

impl<'s, S: Swarm> Crew<'s, S> {
    pub(crate) fn new(swarm: &'s mut S, classes: Classes) -> Self {
        let (spent, missing) = (Spent::default(), Vec::new());
        Self { swarm, classes, spent, missing, exhausted: None, first_error: None }
    }

    /// Asks all at the same time; each prompt comes with its part. No answer where an agent failed,
    /// which is noted. Only a run that was cancelled is an error.
    pub(crate) fn ask(&mut self, prompts: Vec<(usize, Prompt)>) -> Result<Vec<Option<String>>, Error> {
        let budget = self.swarm.remaining().map(|left| share(left, prompts.len()));
        let whose: Vec<(usize, Role)> = prompts.iter().map(|(part, prompt)| (*part, prompt.role)).collect();
        let agents = prompts.into_iter().map(|(_, prompt)| self.agent(prompt, budget)).collect();
        let mut outcomes = self.swarm.run_all(agents).into_iter();
        let mut answers = Vec::with_capacity(whose.len());
        for (part, role) in whose {
            let outcome = outcomes.next().unwrap_or_else(|| Err(Error::Other("the host gave no outcome".to_owned())));
            answers.push(match outcome {
                Ok(outcome) => {
                    self.spent.add(outcome.usage);
                    Some(outcome.content)
                }
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => {
                    self.note_failure(role, part, error);
                    None
                }
            });
        }
        Ok(answers)
    }

    /// Notes an answer that is not in the shape that was asked for.
    pub(crate) fn note_unreadable(&mut self, role: Role, part: usize) {
        self.missing.push(Missing { role, part, reason: "unreadable", detail: String::new() });
    }

    fn note_failure(&mut self, role: Role, part: usize, error: Error) {
        let (reason, detail) = explain(&error);
        self.missing.push(Missing { role, part, reason, detail: clipped(&detail, MAX_DETAIL_CHARS) });
        if let Error::Exhausted(scope) = &error {
            self.exhausted.get_or_insert_with(|| clipped(scope, MAX_DETAIL_CHARS));
        }
        self.first_error.get_or_insert(error);
    }

    fn agent(&self, prompt: Prompt, budget: Option<Money>) -> Agent {
        let class = match prompt.role {
            Role::Critic | Role::Judge => &self.classes.judges,
            Role::Reviewer | Role::Security | Role::Performance => &self.classes.readers,
        };
        Agent {
            role: prompt.role.as_str().to_owned(),
            instructions: prompt.instructions,
            task: prompt.task,
            class: class.clone(),
            tools: Vec::new(),
            schema: Some(prompt.schema),
            budget,
        }
    }
}

/// The most that each of so many agents may cost, so that all of them together leave as much for a
/// critic and a judge.
fn share(left: Money, n_agents: usize) -> Money {
    let n_shares = u64::try_from(n_agents).unwrap_or(u64::MAX).saturating_add(2);
    Money { micro_usd: left.micro_usd / n_shares }
}

fn explain(error: &Error) -> (&'static str, String) {
    match error {
        Error::Denied(text) => ("denied", text.clone()),
        Error::NotFound(text) => ("not-found", text.clone()),
        Error::Invalid(text) => ("invalid", text.clone()),
        Error::Limited(_) => ("limited", String::new()),
        Error::Exhausted(scope) => ("exhausted", scope.clone()),
        Error::Upstream(error) => ("upstream", error.message.clone()),
        Error::TimedOut => ("timed-out", String::new()),
        Error::Cancelled => ("cancelled", String::new()),
        Error::Unavailable(text) => ("unavailable", text.clone()),
        Error::Other(text) => ("other", text.clone()),
    }
}

impl Spent {
    fn add(&mut self, usage: Usage) {
        self.agents += 1;
        self.input_tokens = self.input_tokens.saturating_add(usage.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(usage.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(usage.cached_tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(usage.cost.micro_usd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_leave_money_for_critic_and_judge() {
        for (left, n_agents, expected) in [(1_000, 3, 200), (1_000, 1, 333), (0, 24, 0), (u64::MAX, 2, u64::MAX / 4)] {
            let each = share(Money { micro_usd: left }, n_agents).micro_usd;
            assert_eq!(each, expected);
            assert!(each * (n_agents as u64 + 2) <= left);
        }
    }
}
