//! Agents that the host drives: it runs the loop of model and tools and keeps the budget.
//!
//! ```no_run
//! # fn main() -> Result<(), sophia_sdk::Error> {
//! use sophia_sdk::agents::{self, Agent};
//!
//! let asked = |role: &str| Agent {
//!     role: role.to_owned(),
//!     instructions: "Answer in one sentence.".to_owned(),
//!     task: "Should a queue be bounded?".to_owned(),
//!     class: "fast".to_owned(),
//!     ..Agent::default()
//! };
//! for outcome in agents::run_all(vec![asked("optimist"), asked("sceptic")]) {
//!     println!("{}", outcome?.content);
//! }
//! # Ok(())
//! # }
//! ```

use serde::Deserialize;

use crate::{Error, Json, Money, bindings::pattern::sophia::plugin::agents as wit};

pub use wit::{Outcome, Tool};

/// The most agents that run at the same time; [`run_all`] refuses more one by one.
pub const MAX_AT_ONCE: usize = 64;

/// One agent and its task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agent {
    /// What the timeline calls it, such as `reviewer`.
    pub role: String,
    /// Its system prompt.
    pub instructions: String,
    /// Its task.
    pub task: String,
    /// The class of model it thinks with; the manifest asks for it.
    pub class: String,
    /// The tools it may use. None is allowed.
    pub tools: Vec<Tool>,
    /// JSON Schema that its final answer must fit.
    pub schema: Option<Json>,
    /// The most it may cost. Bounded by what the run has left.
    pub budget: Option<Money>,
}

/// Runs one agent to its end. Running a clone pays twice.
pub fn run(agent: Agent) -> Result<Outcome, Error> {
    wit::run(&agent.into())
}

/// Runs all agents at the same time; outcomes in the order asked. At most 64.
pub fn run_all(agents: Vec<Agent>) -> Vec<Result<Outcome, Error>> {
    let agents: Vec<wit::Agent> = agents.into_iter().map(wit::Agent::from).collect();
    wit::run_all(&agents)
}

impl Outcome {
    /// Reads a value out of the answer. What does not fit is the model's fault: `upstream`.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_str(&self.content).map_err(|error| Error::unreadable_answer(&error))
    }
}

impl From<Agent> for wit::Agent {
    fn from(agent: Agent) -> Self {
        Self {
            role: agent.role,
            instructions: agent.instructions,
            task: agent.task,
            class: agent.class,
            tools: agent.tools,
            schema: agent.schema.map(Json::into_text),
            budget: agent.budget,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Usage;

    #[test]
    fn an_answer_that_does_not_fit_is_the_models_fault() {
        let outcome = |content: &str| Outcome { content: content.to_owned(), turns: 1, usage: Usage::NONE };
        assert_eq!(outcome("[1,2]").json::<Vec<u8>>(), Ok(vec![1, 2]));
        assert!(matches!(outcome("[1,").json::<Vec<u8>>(), Err(Error::Upstream(_))));
        assert!(matches!(outcome("{}").json::<Vec<u8>>(), Err(Error::Upstream(_))));
    }
}
