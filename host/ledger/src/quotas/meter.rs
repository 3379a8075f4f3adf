use std::time::Duration;

use sophia_domain::{OnLoss, Quota, QuotaKind, RouteClass, Usd};

use super::{
    log::{Log, Micros},
    slices::{Leased, SliceAsk},
};

/// A quota and what is used of it. One per quota of a tenant or key; changed under its gate's lock.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// For calls under way.
    held: u64,
    /// Within the window.
    log: Log,
    /// Ever, by this node.
    used: u64,
    /// Where several nodes share the window.
    lease: Lease,
}

/// A quota with its counts.
#[derive(Debug)]
pub(crate) struct Meter {
    /// No other meter of this process has it.
    pub(crate) id: u64,
    pub(crate) quota: Quota,
    /// Whether it is the node's default, and nobody set it for this scope.
    pub(crate) is_default: bool,
    counts: Counts,
}

/// What this node may use of a window that others use too.
#[derive(Debug, Default)]
struct Lease {
    /// What it may ever have used and hold, until the lease ends.
    ceiling: u64,
    until: Micros,
    /// What was free beside it for all nodes, when it was leased.
    beside: u64,
    /// Until then it counts as lost.
    lost_until: Micros,
}

/// What a call wants of quotas.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Demand {
    /// To begin, on a route of a class.
    Enter(RouteClass),
    /// To use so much of models, at most.
    Spend { tokens: u64, cost: Usd },
}

/// Whether a meter has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It has.
    Fits,
    /// Once something has left the window or a call under way has ended, which may be in so long.
    Later(Micros),
    /// It never has as much.
    Never,
    /// Once a slice of the window is leased.
    Unleased,
    /// Nobody knows, and the quota refuses then.
    Lost,
}

/// A meter at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) used: u64,
    pub(crate) held: u64,
    pub(crate) left: u64,
    /// Until all that is used has left the window.
    pub(crate) reset: Micros,
}

/// When calls under way may have ended: nobody knows, so it is the shortest time that a header says.
const SOON: Micros = 1_000_000;

/// How long what could not be reached is not asked again.
const LOST_FOR: Micros = 1_000_000;

impl Demand {
    /// How much of a quota; none where it does not count this.
    pub(crate) fn of(self, quota: &Quota) -> Option<u64> {
        match (self, quota.kind) {
            (Self::Enter(class), QuotaKind::Requests | QuotaKind::Concurrent) => {
                quota.class.is_none_or(|counted| counted == class).then_some(1)
            }
            (Self::Spend { tokens, .. }, QuotaKind::Tokens) => Some(tokens),
            (Self::Spend { cost, .. }, QuotaKind::Cost) => Some(cost.micros()),
            _ => None,
        }
    }
}

impl Meter {
    pub(crate) fn new(id: u64, quota: Quota, is_default: bool) -> Self {
        Self { id, quota, is_default, counts: Counts::default() }
    }

    /// Takes an earlier use from elsewhere into the window.
    pub(crate) fn seed(&mut self, at: Micros, amount: u64) {
        self.note(at, amount);
    }

    /// Whether so much fits now. Nothing is changed but what has left the window.
    pub(crate) fn fit(&mut self, wants: u64, now: Micros, is_shared: bool) -> Fit {
        if wants > self.quota.amount {
            return Fit::Never;
        }
        let is_lost = now < self.counts.lease.lost_until;
        if is_shared && !is_lost {
            let lease = &self.counts.lease;
            let reaches = self.counts.used.saturating_add(self.counts.held).saturating_add(wants);
            return if now < lease.until && reaches <= lease.ceiling { Fit::Fits } else { Fit::Unleased };
        }
        if is_shared && self.quota.on_loss == OnLoss::Closed {
            return Fit::Lost;
        }
        self.fit_alone(wants, now)
    }

    fn fit_alone(&mut self, wants: u64, now: Micros) -> Fit {
        let used = self.in_window(now);
        let Counts { held, log, .. } = &self.counts;
        let over = |held: u64| used.saturating_add(held).saturating_add(wants).saturating_sub(self.quota.amount);
        if over(*held) == 0 {
            return Fit::Fits;
        }
        // If the calls under way use all that they hold; else if they use nothing of it.
        let free_at = |over| self.per().and_then(|per| log.free_at(over, per));
        let at = free_at(over(*held)).or_else(|| free_at(over(0).max(1)).filter(|_| over(0) > 0));
        Fit::Later(at.map_or(SOON, |at| at.saturating_sub(now)))
    }

    /// Takes what fits.
    pub(crate) fn take(&mut self, wants: u64, now: Micros) {
        match self.quota.kind {
            QuotaKind::Requests => self.note(now, wants),
            _ => self.counts.held = self.counts.held.saturating_add(wants),
        }
    }

    /// Ends a use of what was held; gives the rest back.
    pub(crate) fn settle(&mut self, held: u64, used: u64, now: Micros) {
        self.counts.held = self.counts.held.saturating_sub(held);
        match self.quota.kind {
            QuotaKind::Requests | QuotaKind::Concurrent => {}
            QuotaKind::Tokens | QuotaKind::Cost => self.note(now, used.min(held)),
        }
    }

    /// Takes a request back that came to nothing.
    pub(crate) fn take_back(&mut self, amount: u64) {
        self.counts.log.take_back(amount);
        self.counts.used = self.counts.used.saturating_sub(amount);
    }

    pub(crate) fn read(&mut self, now: Micros, is_shared: bool) -> Reading {
        let used = self.in_window(now);
        let Counts { held, log, lease, used: ever } = &self.counts;
        let alone = self.quota.amount.saturating_sub(used).saturating_sub(*held);
        let leased = lease.ceiling.saturating_sub(*ever).saturating_sub(*held).saturating_add(lease.beside);
        let left = if is_shared && now < lease.until { alone.min(leased) } else { alone };
        let empty_at = self.per().and_then(|per| log.empty_at(per));
        Reading { used, held: *held, left, reset: empty_at.map_or(0, |at| at.saturating_sub(now)) }
    }

    /// What to ask all nodes for. Until the answer is there, only what is held already may be used:
    /// the others may be given the rest.
    pub(crate) fn ask(&mut self, node: &str, wants: u64) -> SliceAsk {
        self.counts.lease.ceiling = self.counts.used.saturating_add(self.counts.held);
        SliceAsk {
            node: node.to_owned(),
            limit: (self.quota.amount, self.quota.per.map(|per| per.0)),
            used: self.counts.used,
            held: self.counts.held,
            wants,
        }
    }

    /// Notes what was leased for an ask that was made at a time.
    pub(crate) fn leased(&mut self, ask: &SliceAsk, asked: Micros, leased: &Leased) {
        let until = asked.saturating_add(micros(leased.term));
        let ceiling = ask.used.saturating_add(leased.share);
        self.counts.lease = Lease { ceiling, until, beside: leased.left, lost_until: 0 };
    }

    /// Notes that nothing could be learned.
    pub(crate) fn lost(&mut self, now: Micros) {
        self.counts.lease.lost_until = now.saturating_add(LOST_FOR);
    }

    /// Whether it has a lease to keep, or one of which it gives back what it does not use: what a
    /// lease ends with counts as used.
    pub(crate) fn has_lease(&self, now: Micros) -> bool {
        let Counts { held, used, lease, .. } = &self.counts;
        *held > 0 || now < lease.until && used.saturating_add(*held) < lease.ceiling
    }

    /// The counts move to a quota that counts the same.
    pub(crate) fn changed(&mut self, quota: Quota, is_default: bool) {
        (self.quota, self.is_default) = (quota, is_default);
        // What was leased was leased under another amount.
        self.counts.lease = Lease::default();
    }

    fn note(&mut self, at: Micros, amount: u64) {
        self.counts.used = self.counts.used.saturating_add(amount);
        if let Some(per) = self.per() {
            self.counts.log.add(at, amount, (self.quota.amount, per));
        }
    }

    fn in_window(&mut self, now: Micros) -> u64 {
        self.per().map_or(0, |per| self.counts.log.sum(now, per))
    }

    fn per(&self) -> Option<Micros> {
        self.quota.per.map(|per| micros(per.0))
    }
}

pub(crate) fn micros(time: Duration) -> Micros {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    fn meter(quota: &str) -> Meter {
        Meter::new(1, quota.parse().unwrap(), false)
    }

    fn take(meter: &mut Meter, wants: u64, at: Micros) -> Fit {
        let fit = meter.fit(wants, at, false);
        if fit == Fit::Fits {
            meter.take(wants, at);
        }
        fit
    }

    #[test]
    fn the_time_to_wait_is_when_the_same_fits_and_no_sooner() {
        let mut requests = meter("requests=2/10s");
        let asked = [
            (0, Fit::Fits),
            (4, Fit::Fits),
            (6, Fit::Later(4 * SECOND)),
            (10, Fit::Fits),
            (11, Fit::Later(3 * SECOND)),
        ];
        for (at, expected) in asked {
            assert_eq!(take(&mut requests, 1, at * SECOND), expected, "at {at} s");
        }
        assert_eq!(requests.fit(1, 14 * SECOND - 1, false), Fit::Later(1));
        assert_eq!(requests.fit(1, 14 * SECOND, false), Fit::Fits);

        let mut tokens = meter("tokens=100/10s");
        for (at, used) in [(0, 40), (2, 50)] {
            tokens.take(used, at * SECOND);
            tokens.settle(used, used, at * SECOND);
        }
        assert_eq!(tokens.fit(11, 3 * SECOND, false), Fit::Later(7 * SECOND), "the first 40 leave at 10 s");
        assert_eq!(tokens.fit(51, 3 * SECOND, false), Fit::Later(9 * SECOND), "and the 50 at 12 s");
        assert_eq!(tokens.fit(101, 3 * SECOND, false), Fit::Never);
    }

    #[test]
    fn what_was_held_beyond_what_was_used_is_there_again_at_once() {
        let mut cost = meter("cost=$0.0001/10s");
        assert_eq!(take(&mut cost, 90, 0), Fit::Fits);
        assert_eq!(take(&mut cost, 11, 0), Fit::Later(SOON), "held by a call under way");
        cost.settle(90, 10, 5 * SECOND);
        assert_eq!(cost.read(5 * SECOND, false), Reading { used: 10, held: 0, left: 90, reset: 10 * SECOND });
        assert_eq!(take(&mut cost, 90, 5 * SECOND), Fit::Fits);
        assert_eq!(cost.fit(1, 6 * SECOND, false), Fit::Later(9 * SECOND), "used at 5 s, when it ended");
        // A cancelled call used nothing; one that claims more than it held used what it held.
        cost.settle(90, 0, 7 * SECOND);
        assert_eq!(take(&mut cost, 90, 7 * SECOND), Fit::Fits);
        cost.settle(90, 4_000, 8 * SECOND);
        assert_eq!(cost.read(8 * SECOND, false).used, 100);
    }

    #[test]
    fn calls_at_once_have_no_window() {
        let mut concurrent = meter("concurrent=2");
        assert_eq!([0, 0, 0].map(|at| take(&mut concurrent, 1, at)), [Fit::Fits, Fit::Fits, Fit::Later(SOON)]);
        concurrent.settle(1, 1, SECOND);
        assert_eq!(concurrent.read(SECOND, false), Reading { used: 0, held: 1, left: 1, reset: 0 });
        assert_eq!(take(&mut concurrent, 1, SECOND), Fit::Fits);
    }

    #[test]
    fn a_changed_limit_keeps_what_was_used() {
        let mut requests = meter("requests=3/10s");
        for _ in 0..3 {
            take(&mut requests, 1, 0);
        }
        requests.changed("requests=4/10s".parse().unwrap(), false);
        assert_eq!([1, 1].map(|at| take(&mut requests, 1, at)), [Fit::Fits, Fit::Later(10 * SECOND - 1)]);
        requests.changed("requests=1/10s".parse().unwrap(), false);
        assert_eq!(requests.fit(1, 10 * SECOND, false), Fit::Later(1), "all but one must have left");
        assert_eq!(requests.fit(1, 10 * SECOND + 1, false), Fit::Fits);
    }
}
