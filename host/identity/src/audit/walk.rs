//! From the first entry of a chain to its end: whether each is what was written, where it was
//! written. Pure; what it is shown comes from [`super::verify`].

use std::{collections::VecDeque, sync::Arc};

use sophia_store::audit::{AuditHeadRow, AuditRow, AuditSegmentRow, SegmentState};

use super::{
    Mark,
    fault::{Fault, Faults, What},
    keys::{AuditKeys, Mac},
    segment,
};

/// One per chain and verification.
pub(super) struct Walk {
    keys: Arc<AuditKeys>,
    chain: &'static str,
    /// What must be there, beside what says so.
    marks: Vec<Mark>,
    /// The last place seen.
    place: i64,
    /// What the next entry is linked to; none where that is not known.
    before: Option<Mac>,
    /// The MACs of the last entries seen.
    recent: VecDeque<Mac>,
    /// By how much the last entry stood elsewhere.
    shift: i64,
    searches_left: u32,
    pub(super) faults: Faults,
    pub(super) n_entries: u64,
    pub(super) n_expired: u64,
}

/// Entries to both sides among which a moved one is looked for.
const WINDOW: usize = 16;

/// Each takes a thousand MACs at most, some milliseconds.
const MAX_SEARCHES: u32 = 200;

impl Walk {
    /// At the beginning of a chain. `marks` are of this chain or another.
    pub(super) fn new(keys: Arc<AuditKeys>, chain: &'static str, marks: &[Mark]) -> Self {
        let genesis = keys.genesis(chain);
        Self {
            keys,
            chain,
            marks: marks.iter().filter(|mark| mark.chain == chain).cloned().collect(),
            place: 0,
            before: Some(genesis),
            recent: VecDeque::from([genesis]),
            shift: 0,
            searches_left: MAX_SEARCHES,
            faults: Faults::default(),
            n_entries: 0,
            n_expired: 0,
        }
    }

    /// The last place seen.
    pub(super) fn place(&self) -> i64 {
        self.place
    }

    /// Goes over entries, in the order of their places.
    pub(super) fn rows(&mut self, rows: &[AuditRow]) {
        for (nth, row) in rows.iter().enumerate() {
            self.pass_gap(row.seq);
            if let Some(before) = self.before
                && !self.is_linked(&before, row)
            {
                let following = rows.get(nth..).unwrap_or_default();
                self.misfit(&before, row, following);
            }
            self.arrive(row.seq, row.mac.as_slice().try_into().ok());
            self.n_entries += 1;
        }
    }

    /// Goes over a sealed part. `opened` are its entries, where it should have some.
    pub(super) fn segment(&mut self, part: &AuditSegmentRow, opened: Option<&[AuditRow]>) {
        let end = part.last_seq.max(self.place + 1);
        if !segment::is_ours(&self.keys, part) {
            self.fault(self.place + 1, end, What::Segment);
            self.before = None;
            self.place = end;
            return;
        }
        if self.before.is_some_and(|before| part.before_mac != before) && part.first_seq == self.place + 1 {
            self.fault(self.place, self.place, What::Changed);
            self.before = part.before_mac.as_slice().try_into().ok();
        }
        self.pass_gap(part.first_seq);
        match (part.state, opened) {
            (SegmentState::Planned | SegmentState::Sealed, Some(rows)) => {
                self.rows(rows);
                self.pass_gap(part.last_seq + 1);
            }
            (SegmentState::Planned | SegmentState::Sealed, None) => {
                self.fault(part.first_seq, part.last_seq, What::Segment);
            }
            (SegmentState::Expired | SegmentState::Gone, _) => {
                self.n_expired += u64::try_from(part.last_seq - part.first_seq + 1).unwrap_or(0);
            }
        }
        self.arrive(part.last_seq, segment::last_mac(part));
    }

    /// At the chain's end as it was read before the walk. `beyond` is the first entry behind the end
    /// as it is now, which has grown meanwhile.
    pub(super) fn end(mut self, head: Option<&AuditHeadRow>, beyond: Option<i64>) -> (Faults, u64, u64) {
        match (head, beyond) {
            (Some(head), _) if head.seal != self.keys.head(head) => self.fault(head.seq, head.seq, What::End),
            (Some(head), _) if head.seq > self.place => self.fault(self.place + 1, head.seq, What::Truncated),
            (Some(head), None) if self.is_other_end(head) => self.fault(head.seq, head.seq, What::End),
            (Some(_), Some(seq)) if !self.was_shifted_to(seq) => self.fault(seq, seq, What::Inserted),
            (None, Some(seq)) => self.fault(seq, seq, What::End),
            _ => {}
        }
        for mark in std::mem::take(&mut self.marks) {
            if mark.seq > self.place {
                self.fault(mark.seq, mark.seq, What::RolledBack);
            }
        }
        (self.faults, self.n_entries, self.n_expired)
    }

    fn is_other_end(&self, head: &AuditHeadRow) -> bool {
        self.before.is_some_and(|last| head.mac != last) && !self.faults.is_at(head.seq)
    }

    /// Whether an entry stands behind the end because one was put in before it.
    fn was_shifted_to(&self, seq: i64) -> bool {
        let mut faults = self.faults.list.iter();
        faults.any(|fault| matches!(fault.what, What::Moved(_)) && fault.last >= seq - 1)
    }

    fn pass_gap(&mut self, seq: i64) {
        if seq > self.place + 1 {
            self.fault(self.place + 1, seq - 1, What::Removed);
            self.place = seq - 1;
            // The entry behind the gap cannot be checked; those behind it can.
            self.before = None;
        }
    }

    fn arrive(&mut self, seq: i64, mac: Option<Mac>) {
        for mark in self.marks.extract_if(.., |mark| mark.seq <= seq) {
            if mark.seq == seq && mac.is_some_and(|mac| mac != mark.mac) {
                let chain = self.chain.to_owned();
                self.faults.push(Fault { chain, first: seq, last: seq, what: What::RolledBack });
            }
        }
        self.place = seq;
        self.before = mac;
        self.recent.extend(mac);
        while self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
    }

    fn is_linked(&self, before: &Mac, row: &AuditRow) -> bool {
        row.mac == self.keys.entry(self.chain, before, row)
    }

    /// Says what an entry is that does not fit.
    fn misfit(&mut self, before: &Mac, row: &AuditRow, following: &[AuditRow]) {
        if self.recent.iter().any(|mac| row.mac == mac) {
            // A copy of an entry that stands before it.
            return self.fault(row.seq, row.seq, What::Inserted);
        }
        let is_shifted = row.mac == self.keys.entry_at(self.chain, before, row, row.seq - self.shift);
        let written_at = if is_shifted { Some(row.seq - self.shift) } else { self.search(row, following) };
        match written_at {
            // It stands where it was written; the one before it does not.
            Some(seq) if seq == row.seq => {}
            Some(seq) => {
                self.shift = row.seq - seq;
                self.fault(row.seq, row.seq, What::Moved(self.shift));
            }
            None => {
                self.fault(row.seq, row.seq, What::Changed);
                // Where only its MAC was changed, the next one is linked to what that was.
                self.recent.push_back(self.keys.entry(self.chain, before, row));
            }
        }
    }

    /// Where an entry was written, if that was near and what it was linked to is still near.
    fn search(&mut self, row: &AuditRow, following: &[AuditRow]) -> Option<i64> {
        self.searches_left = self.searches_left.checked_sub(1)?;
        let following = following.iter().take(WINDOW).filter_map(|row| row.mac.as_slice().try_into().ok());
        let before: Vec<Mac> = self.recent.iter().copied().chain(following).collect();
        let near = i64::try_from(WINDOW).unwrap_or(0);
        let places = std::iter::once(0).chain((1..=near).flat_map(|by| [by, -by])).map(|by| row.seq - by);
        places
            .filter(|seq| *seq > 0)
            .find(|seq| before.iter().any(|mac| row.mac == self.keys.entry_at(self.chain, mac, row, *seq)))
    }

    fn fault(&mut self, first: i64, last: i64, what: What) {
        self.faults.push(Fault { chain: self.chain.to_owned(), first, last, what });
    }
}

#[cfg(test)]
mod tests;
