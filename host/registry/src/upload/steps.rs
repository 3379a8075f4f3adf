use std::time::Instant;

use serde::{Deserialize, Serialize};
use sophia_domain::Step;

use super::Received;

/// How long a step took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// Which.
    pub step: Step,
    /// Milliseconds, to a hundredth.
    pub ms: f64,
    /// What is worth knowing about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The stopwatch of one upload.
pub(crate) struct Steps {
    last: Instant,
    times: Vec<StepTime>,
}

impl Steps {
    /// Starts with nothing done.
    pub(crate) fn begin() -> Self {
        Self { last: Instant::now(), times: Vec::new() }
    }

    /// Starts where a file has come in.
    pub(crate) fn after(received: &Received) -> Self {
        let mut steps = Self { last: received.began, times: Vec::new() };
        steps.done(Step::Receive);
        steps
    }

    /// A step ends, and the next begins.
    pub(crate) fn done(&mut self, step: Step) {
        self.push(step, None);
    }

    /// The same, with something worth knowing.
    pub(crate) fn done_with(&mut self, step: Step, note: impl Into<String>) {
        self.push(step, Some(note.into()));
    }

    pub(crate) fn into_times(self) -> Vec<StepTime> {
        self.times
    }

    fn push(&mut self, step: Step, note: Option<String>) {
        let now = Instant::now();
        let ms = (now.duration_since(self.last).as_secs_f64() * 100_000.0).round() / 100.0;
        self.times.push(StepTime { step, ms, note });
        self.last = now;
    }
}
