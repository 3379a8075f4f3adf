use serde::{Deserialize, Serialize};

use crate::page::Record;

/// The most that is remembered. Beyond it, what was changed long ago is forgotten first, and may
/// be read a second time.
const MAX: usize = 500;

/// Records that were read and whose time of change will be read over again: id, and when it was
/// changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Recent(Vec<(u64, u64)>);

impl Recent {
    /// Whether this very state of a record was read.
    pub(crate) fn has(&self, record: &Record) -> bool {
        self.0.contains(&(record.id, record.modified))
    }

    /// Takes the place of an earlier state of the same record.
    pub(crate) fn add(&mut self, record: &Record) {
        self.0.retain(|(id, _)| *id != record.id);
        self.0.push((record.id, record.modified));
    }

    /// Forgets what was changed at `floor` or before, and then what is too much.
    pub(crate) fn keep_after(&mut self, floor: u64) {
        self.0.retain(|(_, modified)| *modified > floor);
        if self.0.len() > MAX {
            self.0.sort_unstable_by_key(|(_, modified)| std::cmp::Reverse(*modified));
            self.0.truncate(MAX);
        }
    }
}
