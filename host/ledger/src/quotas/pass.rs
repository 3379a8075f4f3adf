use std::sync::{Arc, Mutex, PoisonError};

use sophia_domain::{Quota, QuotaKind, RouteClass, Tokens, Usd};

use super::{
    Inner,
    gate::{self, Gates},
    log::Micros,
    meter::Demand,
};

/// What a call took of quotas. One per call; dropping it gives back what the call holds: its place
/// among the calls at once, and the tokens and the money that were not settled. A request that
/// began stays counted.
pub struct Pass {
    inner: Arc<Inner>,
    gates: Gates,
    demand: Demand,
    /// Until they are given back.
    pieces: Mutex<Vec<Piece>>,
}

/// What was taken from one meter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) gate: usize,
    pub(crate) meter: u64,
    pub(crate) kind: QuotaKind,
    pub(crate) amount: u64,
}

/// How a quota stands for a caller who asks at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// `tenant` or `key`.
    pub scope: &'static str,
    /// The quota.
    pub quota: Quota,
    /// What can still be used.
    pub left: u64,
    /// Seconds until all of it can be used, if nothing more is. Nothing for calls at once: nobody
    /// knows when they end.
    pub reset: u64,
}

impl Pass {
    pub(crate) fn new(inner: Arc<Inner>, gates: Gates, demand: Demand, pieces: Vec<Piece>) -> Self {
        Self { inner, gates, demand, pieces: Mutex::new(pieces) }
    }

    /// Ends a model call with what is billed for it.
    pub(crate) fn settle(self, tokens: Tokens, cost: Usd) {
        let tokens = tokens.input.saturating_add(tokens.output);
        self.end(tokens, cost.micros());
    }

    /// Gives everything back, the request too: the node could not take it.
    pub fn take_back(&self) {
        let pieces = self.drain();
        let now = self.inner.now();
        for piece in &pieces {
            let Some(Some(gate)) = self.gates.get(piece.gate) else { continue };
            let mut state = gate.state();
            let Some(meter) = state.meter(piece.meter) else { continue };
            match piece.kind {
                QuotaKind::Requests => meter.take_back(piece.amount),
                _ => meter.settle(piece.amount, 0, now),
            }
        }
    }

    /// The quota of which the smallest part is left, of those that count calls of this one's class.
    pub fn tightest(&self) -> Option<Standing> {
        tightest(&self.gates, self.demand, self.inner.now(), self.inner.is_shared())
    }

    fn end(&self, tokens: u64, cost: u64) {
        let pieces = self.drain();
        if pieces.is_empty() {
            return;
        }
        let now = self.inner.now();
        for piece in &pieces {
            let used = match piece.kind {
                QuotaKind::Tokens => tokens.min(piece.amount),
                QuotaKind::Cost => cost.min(piece.amount),
                QuotaKind::Requests | QuotaKind::Concurrent => piece.amount,
            };
            self.inner.counters.used(piece.kind).add(used);
            let Some(Some(gate)) = self.gates.get(piece.gate) else { continue };
            // It stands in its window since it began.
            if piece.kind == QuotaKind::Requests {
                continue;
            }
            // One that was taken away meanwhile has nothing to settle.
            if let Some(meter) = gate.state().meter(piece.meter) {
                meter.settle(piece.amount, used, now);
            }
        }
    }

    fn drain(&self) -> Vec<Piece> {
        std::mem::take(&mut *self.pieces.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.end(0, 0);
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").field("pieces", &self.pieces).finish_non_exhaustive()
    }
}

fn tightest(gates: &Gates, demand: Demand, now: Micros, is_shared: bool) -> Option<Standing> {
    let mut tightest: Option<Standing> = None;
    for gate in gates.iter().flatten() {
        for meter in &mut gate.state().meters {
            if !is_shown(demand, &meter.quota) {
                continue;
            }
            let reading = meter.read(now, is_shared);
            let reset = gate::seconds(reading.reset);
            let standing = Standing { scope: gate.scope.kind(), quota: meter.quota, left: reading.left, reset };
            if tightest.is_none_or(|other| standing.is_tighter_than(&other)) {
                tightest = Some(standing);
            }
        }
    }
    tightest
}

/// Requests of models are told of tokens and money too.
fn is_shown(demand: Demand, quota: &Quota) -> bool {
    let is_of_models = matches!(demand, Demand::Enter(RouteClass::Models | RouteClass::Runs));
    let is_spent = matches!(quota.kind, QuotaKind::Tokens | QuotaKind::Cost);
    if is_spent { is_of_models } else { demand.of(quota).is_some() }
}

impl Standing {
    /// Of the same part the one with the longer wait.
    fn is_tighter_than(&self, other: &Self) -> bool {
        let part = |left: u64, of: u64| u128::from(left) * u128::from(of);
        let (own, its) = (part(self.left, other.quota.amount), part(other.left, self.quota.amount));
        own < its || own == its && self.reset > other.reset
    }
}
