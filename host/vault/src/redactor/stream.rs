use std::ops::Range;

use zeroize::Zeroizing;

use super::{Redactor, mask};

/// Removes secrets from bytes that come in pieces, however the pieces are cut. One per body.
///
/// Holds back no more than what could be the beginning of a secret, so that a stream of events
/// is not delayed.
pub struct RedactStream {
    redactor: Redactor,
    /// What was held back, as it came.
    tail: Zeroizing<Vec<u8>>,
    /// How much of the tail's beginning belongs to a secret that was found already.
    masked: usize,
}

impl RedactStream {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, tail: Zeroizing::default(), masked: 0 }
    }

    /// What may be passed on after this piece; none where the piece may be passed on as it is.
    pub fn push(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        if self.tail.is_empty() {
            let found = self.redactor.find(piece);
            let keep_from = self.redactor.unfinished(piece);
            return match found.is_empty() && keep_from == piece.len() {
                true => None,
                false => Some(self.release(piece, &found, keep_from)),
            };
        }
        let mut bytes = std::mem::take(&mut self.tail);
        bytes.extend_from_slice(piece);
        let mut found = self.redactor.find(&bytes);
        found.push(0..self.masked);
        let keep_from = self.redactor.unfinished(&bytes);
        Some(self.release(&bytes, &found, keep_from))
    }

    /// What was held back, at the end.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut tail = std::mem::take(&mut *self.tail);
        let mut found = self.redactor.find(&tail);
        found.push(0..std::mem::take(&mut self.masked));
        mask(&mut tail, &found);
        tail
    }

    /// How many bytes are held back.
    pub fn held_back(&self) -> usize {
        self.tail.len()
    }

    fn release(&mut self, bytes: &[u8], found: &[Range<usize>], keep_from: usize) -> Vec<u8> {
        let (ready, tail) = bytes.split_at_checked(keep_from).unwrap_or((bytes, &[]));
        let mut ready = ready.to_vec();
        let before: Vec<_> = found.iter().map(|range| range.start.min(keep_from)..range.end.min(keep_from)).collect();
        mask(&mut ready, &before);
        let covering = found.iter().filter(|range| range.start <= keep_from).map(|range| range.end);
        self.masked = covering.max().unwrap_or(0).saturating_sub(keep_from);
        self.tail = Zeroizing::new(tail.to_vec());
        ready
    }
}
