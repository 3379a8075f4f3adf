use std::sync::{Mutex, MutexGuard, PoisonError};

use sophia_domain::{Quota, QuotaReached};
use sophia_store::ledger::BudgetScope;
use tokio::sync::Semaphore;

use super::{
    log::Micros,
    meter::{Demand, Fit, Meter},
    pass::Piece,
    rules::Rules,
};

/// The meters of one tenant or key. Made when it is first counted; lives as long as the process.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) scope: BudgetScope,
    state: Mutex<State>,
    /// One asks for a slice at a time, so that each report follows the one before.
    pub(crate) asking: Semaphore,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Of the rules that the meters follow.
    version: u64,
    pub(crate) meters: Vec<Meter>,
}

/// The gates that a call goes through: its tenant's, then its key's. They are locked in this order,
/// for as long as a few numbers take to compare and add.
pub(crate) type Gates = [Option<std::sync::Arc<Gate>>; 2];

/// What came of a try to take.
#[derive(Debug)]
pub(crate) enum Tried {
    /// From every meter.
    Taken(Vec<Piece>),
    /// From none: this one has no room, the one with the longest wait of all.
    Reached(QuotaReached),
    /// From none: the state of this one is lost.
    Lost(Quota),
    /// From none: this meter of this gate needs a slice for so much.
    Unleased { gate: usize, meter: u64, wants: u64 },
}

impl Gate {
    pub(crate) fn new(scope: BudgetScope) -> Self {
        Self { scope, state: Mutex::default(), asking: Semaphore::new(1) }
    }

    /// The meters, locked.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The meters as the rules are now, locked.
    pub(crate) fn following(&self, rules: &Rules) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if state.version < rules.version {
            state.follow(rules.version, rules.of(&self.scope), |_| {});
        }
        state
    }
}

impl State {
    /// Meters of these quotas; what counted the same before goes on counting. `seed` is called with
    /// each new one.
    pub(crate) fn follow(&mut self, version: u64, quotas: Vec<(Quota, bool)>, mut seed: impl FnMut(&mut Meter)) {
        let mut before = std::mem::take(&mut self.meters);
        for (quota, is_default) in quotas {
            let kept = before.iter().position(|meter| meter.quota.counts_as(&quota));
            let meter = match kept.map(|place| before.swap_remove(place)) {
                Some(mut meter) if meter.quota == quota => {
                    meter.is_default = is_default;
                    meter
                }
                Some(mut meter) => {
                    meter.changed(quota, is_default);
                    meter
                }
                None => {
                    let mut meter = Meter::new(next_id(), quota, is_default);
                    seed(&mut meter);
                    meter
                }
            };
            self.meters.push(meter);
        }
        self.version = version;
    }

    /// A meter, if it is still there.
    pub(crate) fn meter(&mut self, id: u64) -> Option<&mut Meter> {
        self.meters.iter_mut().find(|meter| meter.id == id)
    }
}

/// Takes what a call wants from every meter that counts it, or from none.
pub(crate) fn take(gates: &Gates, rules: &Rules, demand: Demand, now: Micros, is_shared: bool) -> Tried {
    let mut states = gates.each_ref().map(|gate| gate.as_ref().map(|gate| gate.following(rules)));
    let mut reached: Option<QuotaReached> = None;
    for (gate, state) in states.iter_mut().enumerate() {
        let (Some(Some(of)), Some(state)) = (gates.get(gate), state) else { continue };
        for meter in &mut state.meters {
            let Some(wants) = demand.of(&meter.quota) else { continue };
            let retry_after = match meter.fit(wants, now, is_shared) {
                Fit::Fits => continue,
                Fit::Lost => return Tried::Lost(meter.quota),
                Fit::Unleased => return Tried::Unleased { gate, meter: meter.id, wants },
                Fit::Later(wait) => Some(seconds(wait).max(1)),
                Fit::Never => None,
            };
            let is_worse = reached.as_ref().is_none_or(|worst| waits(worst.retry_after) < waits(retry_after));
            if is_worse {
                let left = meter.read(now, is_shared).left;
                reached = Some(told(&of.scope, meter.quota, (left, wants), retry_after));
            }
        }
    }
    if let Some(reached) = reached {
        return Tried::Reached(reached);
    }
    let mut pieces = Vec::new();
    for (gate, state) in states.iter_mut().enumerate() {
        for meter in state.iter_mut().flat_map(|state| &mut state.meters) {
            let Some(amount) = demand.of(&meter.quota) else { continue };
            meter.take(amount, now);
            pieces.push(Piece { gate, meter: meter.id, kind: meter.quota.kind, amount });
        }
    }
    Tried::Taken(pieces)
}

/// A refusal as it is told.
pub(crate) fn told(
    scope: &BudgetScope,
    limit: Quota,
    (left, asked): (u64, u64),
    retry_after: Option<u64>,
) -> QuotaReached {
    let name = match scope {
        BudgetScope::Tenant(tenant) => tenant.to_string(),
        BudgetScope::Key(_, key) => key.to_string(),
        BudgetScope::Run(_, run) => run.to_string(),
    };
    QuotaReached { scope: scope.kind().to_owned(), name, limit, left, asked, retry_after }
}

/// Whole seconds, rounded up: after them it has happened.
pub(crate) fn seconds(time: Micros) -> u64 {
    time.div_ceil(1_000_000)
}

/// What never comes is the longest wait.
fn waits(retry_after: Option<u64>) -> u64 {
    retry_after.unwrap_or(u64::MAX)
}

fn next_id() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
