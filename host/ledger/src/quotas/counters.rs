use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sophia_domain::QuotaKind;

/// What quotas counted since this process began. Made once at boot.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    used: [Counter; 4],
    refused: [Counter; 4],
    pub(crate) lost: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// What quotas of one kind came to since this process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaTotals {
    /// What they count.
    pub kind: QuotaKind,
    /// What calls used that some quota counted, each once a quota, in the kind's unit.
    pub used: u64,
    /// Calls that they refused.
    pub refused: u64,
}

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    pub(crate) fn used(&self, kind: QuotaKind) -> &Counter {
        let [requests, concurrent, tokens, cost] = &self.used;
        of(kind, [requests, concurrent, tokens, cost])
    }

    pub(crate) fn refused(&self, kind: QuotaKind) -> &Counter {
        let [requests, concurrent, tokens, cost] = &self.refused;
        of(kind, [requests, concurrent, tokens, cost])
    }

    pub(crate) fn totals(&self) -> [QuotaTotals; 4] {
        QuotaKind::ALL.map(|kind| QuotaTotals { kind, used: self.used(kind).get(), refused: self.refused(kind).get() })
    }
}

fn of(kind: QuotaKind, [requests, concurrent, tokens, cost]: [&Counter; 4]) -> &Counter {
    match kind {
        QuotaKind::Requests => requests,
        QuotaKind::Concurrent => concurrent,
        QuotaKind::Tokens => tokens,
        QuotaKind::Cost => cost,
    }
}
