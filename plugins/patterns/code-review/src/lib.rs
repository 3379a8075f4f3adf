//! Pattern `code-review`: a diff is read by three agents at the same time, a critic goes over what
//! they found, a judge decides.
//!
//! Here stands what touches the host; everything else is pure and tested natively. What models say
//! is believed as far as the diff bears it out: a finding quotes a line that stands there, or it is
//! dropped, and nothing passes without evidence.
//!
//! It does not read the repository, run code, or comment anywhere.

mod answer;
mod batch;
mod chunk;
mod crew;
mod critic;
mod description;
mod diff;
mod finding;
mod judge;
mod panel;
mod place;
mod prompt;
mod review;
mod role;
mod skip;
mod task;
mod text;
mod verdict;
mod weight;

use crew::{Classes, Swarm};
use serde_json::Value;
use sophia_sdk::{
    Description, Error, Json, Money, Outcome, Pattern, agents, budget, config, log,
    timeline::{self, Kind},
};

/// What everybody thinks with unless the configuration says otherwise.
const DEFAULT_CLASS: &str = "fast";

struct CodeReview;

impl Pattern for CodeReview {
    fn describe() -> Description {
        description::describe()
    }

    fn run(task: sophia_sdk::Task) -> Result<Outcome, Error> {
        let task = task::Task::read(&task.arguments)?;
        let class = |key| config::get(key).unwrap_or_else(|| DEFAULT_CLASS.to_owned());
        let classes =
            Classes { readers: class("code-review.reviewer-class"), judges: class("code-review.judge-class") };
        let report = review::review(&task, classes, &mut Host)?;
        Ok(Outcome { content: Json::of(&report)?, confidence: report.confidence })
    }
}

/// The agents, budget and timeline of the run.
struct Host;

impl Swarm for Host {
    fn run_all(&mut self, agents: Vec<agents::Agent>) -> Vec<Result<agents::Outcome, Error>> {
        agents::run_all(agents)
    }

    fn remaining(&mut self) -> Option<Money> {
        budget::remaining().ok()
    }

    /// A timeline that takes no events is no reason to throw a review away.
    fn emit(&mut self, kind: Kind, event: Value) {
        if let Err(error) = timeline::emit(kind, &event) {
            log::warn("the timeline took no event", &[("kind", kind.as_str()), ("error", &error.to_string())]);
        }
    }
}

sophia_sdk::pattern!(CodeReview);
