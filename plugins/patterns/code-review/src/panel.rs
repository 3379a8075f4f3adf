//! The three who read the diff, at the same time, part by part.

use serde_json::json;
use sophia_sdk::{Error, timeline::Kind};

use crate::{
    answer::{self, Dropped},
    chunk::Plan,
    crew::{Crew, Swarm},
    finding::Finding,
    prompt,
    role::Role,
    skip::Reason,
    task::About,
};

/// Chunks that are read at the same time, so twelve agents. More would make each agent's share of
/// a small budget too small for a hold, and the host runs at most 64 at once.
const CHUNKS_AT_ONCE: usize = 4;

/// What the readers came to.
#[derive(Debug, Default)]
pub(crate) struct Panel {
    /// Those that stand in the diff, in the order of chunks and roles, not merged yet.
    pub(crate) findings: Vec<Finding>,
    /// How many of them there were before any was merged or dropped.
    pub(crate) n_valid: usize,
    pub(crate) dropped: Dropped,
    pub(crate) n_asked: usize,
    /// Answers that could be read.
    pub(crate) n_read: usize,
}

/// Has every chunk read. A budget that is used up ends it early: what was not reached is left out
/// of the plan. An error only where every single agent failed.
pub(crate) fn read<S: Swarm>(plan: &mut Plan<'_>, about: &About, crew: &mut Crew<'_, S>) -> Result<Panel, Error> {
    let mut panel = Panel::default();
    let n_chunks = plan.chunks.len();
    let mut n_reached = 0;
    while n_reached < n_chunks && crew.exhausted.is_none() {
        let batch = plan.chunks.iter().enumerate().skip(n_reached).take(CHUNKS_AT_ONCE);
        let asked: Vec<_> = batch.flat_map(|(n, chunk)| Role::READERS.map(|role| (n, role, chunk))).collect();
        let prompts = asked.iter().map(|(n, role, chunk)| (n + 1, prompt::read(*role, chunk, about))).collect();
        let answers = crew.ask(prompts)?;
        panel.n_asked += asked.len();
        for (one, answers) in asked.chunks(Role::READERS.len()).zip(answers.chunks(Role::READERS.len())) {
            let mut readings = Vec::new();
            for ((n, role, chunk), text) in one.iter().zip(answers) {
                let Some(text) = text else { continue };
                match answer::read(text, *role, chunk) {
                    Some(reading) => readings.push(reading),
                    None => crew.note_unreadable(*role, n + 1),
                }
            }
            panel.take(readings);
        }
        n_reached = n_chunks.min(n_reached + CHUNKS_AT_ONCE);
        crew.swarm.emit(Kind::Milestone, json!({ "step": "read", "chunks": n_reached, "of": n_chunks }));
    }
    for chunk in plan.chunks.split_off(n_reached) {
        plan.leave_out(&chunk, Reason::NotReached);
    }
    match crew.first_error.take() {
        Some(error) if crew.spent.agents == 0 && crew.exhausted.is_none() => Err(error),
        _ => Ok(panel),
    }
}

impl Panel {
    /// Adds what was read of one chunk.
    fn take(&mut self, readings: Vec<answer::Reading>) {
        let n_readers = readings.len();
        self.n_read += n_readers;
        for reading in readings {
            self.dropped.add(reading.dropped);
            self.n_valid += reading.findings.len();
            self.findings.extend(reading.findings.into_iter().map(|finding| Finding { n_readers, ..finding }));
        }
    }
}
