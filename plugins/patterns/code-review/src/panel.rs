//! The three who read the diff, at the same time, part by part.

use serde_json::json;
use sophia_sdk::{Error, timeline::Kind};

use crate::{
    answer::{self, Dropped, Reading},
    chunk::{Chunk, Plan},
    crew::{Crew, Swarm},
    finding::Finding,
    prompt::{self, Prompt},
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

/// One reader and its part of the diff.
struct Asked<'p, 'a> {
    /// Counted from 1.
    part: usize,
    role: Role,
    chunk: &'p Chunk<'a>,
}

/// Has every chunk read. A budget that is used up ends it early: what was not reached is left out
/// of the plan. An error only where every single agent failed.
pub(crate) fn read<S: Swarm>(plan: &mut Plan<'_>, about: &About, crew: &mut Crew<'_, S>) -> Result<Panel, Error> {
    let mut panel = Panel::default();
    let n_chunks = plan.chunks.len();
    let mut n_reached = 0;
    while n_reached < n_chunks && crew.exhausted.is_none() {
        let batch = plan.chunks.iter().enumerate().skip(n_reached).take(CHUNKS_AT_ONCE);
        let asked: Vec<_> =
            batch.flat_map(|(n, chunk)| Role::READERS.map(|role| Asked { part: n + 1, role, chunk })).collect();
        let answers = crew.ask(asked.iter().map(|asked| (asked.part, asked.prompt(about))).collect())?;
        for (asked, answers) in asked.chunks(Role::READERS.len()).zip(answers.chunks(Role::READERS.len())) {
            let pairs = asked.iter().zip(answers);
            panel.take(pairs.filter_map(|(asked, text)| asked.reading(text.as_deref()?, crew)).collect());
        }
        panel.n_asked += asked.len();
        n_reached = n_chunks.min(n_reached + CHUNKS_AT_ONCE);
        crew.swarm.emit(Kind::Milestone, json!({ "step": "read", "chunks": n_reached, "of": n_chunks }));
    }
    plan.keep(n_reached, Reason::NotReached);
    match crew.first_error.take() {
        Some(error) if crew.spent.agents == 0 && crew.exhausted.is_none() => Err(error),
        _ => Ok(panel),
    }
}

impl Asked<'_, '_> {
    fn prompt(&self, about: &About) -> Prompt {
        prompt::read(self.role, self.chunk, about)
    }

    fn reading<S: Swarm>(&self, text: &str, crew: &mut Crew<'_, S>) -> Option<Reading> {
        let reading = answer::read(text, self.role, self.chunk);
        if reading.is_none() {
            crew.note_unreadable(self.role, self.part);
        }
        reading
    }
}

impl Panel {
    /// Adds what was read of one chunk.
    fn take(&mut self, readings: Vec<Reading>) {
        let n_readers = readings.len();
        self.n_read += n_readers;
        for reading in readings {
            self.dropped.add(reading.dropped);
            self.n_valid += reading.findings.len();
            self.findings.extend(reading.findings.into_iter().map(|finding| Finding { n_readers, ..finding }));
        }
    }
}
