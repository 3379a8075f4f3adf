use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Microseconds on one clock: this process's, or that of what all nodes share.
pub(crate) type Micros = u64;

/// What was used within a window, and when: a sliding log. One per window.
///
/// **Never more.** In any time of the window's length no more than its amount is used: a use
/// leaves the log a whole window after it was made, never sooner. (A fixed window lets twice the
/// amount through around its edge, a token bucket of that size after a pause.)
///
/// **Bounded.** Up to [`MAX_ENTRIES`] uses stand one by one, so that a limit of no more is exact in
/// both directions. Above that, uses within a 1,024th of the window become one, which leaves when
/// the last of them would: so what was used comes back up to a 1,024th of the window late (a
/// second of a quarter of an hour), and the sustained rate is that much below the limit.
///
/// The first is the sliding window log; the second is this node's own compromise between it and
/// the sliding window counter, which estimates.
/// Source: <https://blog.cloudflare.com/counting-things-a-lot-of-different-things/>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    sum: u64,
}

/// Uses that leave together. Its times never go back from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    first: Micros,
    last: Micros,
    amount: u64,
}

/// Most entries of a log: some 24 KiB.
pub(crate) const MAX_ENTRIES: u64 = 1_024;

impl Log {
    /// What is used at a time within a window.
    pub(crate) fn sum(&mut self, now: Micros, per: Micros) -> u64 {
        while let Some(oldest) = self.entries.front()
            && oldest.last.saturating_add(per) <= now
        {
            self.sum = self.sum.saturating_sub(oldest.amount);
            self.entries.pop_front();
        }
        self.sum
    }

    /// Notes a use in a window of which `limit` may be used. A clock that went back counts as one
    /// that stood still.
    pub(crate) fn add(&mut self, now: Micros, amount: u64, (limit, per): (u64, Micros)) {
        if amount == 0 {
            return;
        }
        self.sum = self.sum.saturating_add(amount);
        let grain = if limit <= MAX_ENTRIES { 0 } else { per / MAX_ENTRIES };
        match self.entries.back_mut() {
            Some(newest) if now < newest.first.saturating_add(grain) => {
                newest.amount = newest.amount.saturating_add(amount);
                newest.last = newest.last.max(now);
            }
            newest => {
                let at = newest.map_or(now, |newest| newest.last.max(now));
                self.entries.push_back(Entry { first: at, last: at, amount });
            }
        }
    }

    /// Takes back what was noted last, as far as it is there.
    pub(crate) fn take_back(&mut self, mut amount: u64) {
        while amount > 0
            && let Some(newest) = self.entries.back_mut()
        {
            let part = amount.min(newest.amount);
            (amount, newest.amount, self.sum) = (amount - part, newest.amount - part, self.sum.saturating_sub(part));
            if newest.amount == 0 {
                self.entries.pop_back();
            }
        }
    }

    /// When so much will have left the window; none where less is in it.
    pub(crate) fn free_at(&self, amount: u64, per: Micros) -> Option<Micros> {
        let mut freed = 0_u64;
        let entry = self.entries.iter().find(|entry| {
            freed = freed.saturating_add(entry.amount);
            freed >= amount
        });
        entry.map(|entry| entry.last.saturating_add(per))
    }

    /// When everything will have left the window; none where nothing is in it.
    pub(crate) fn empty_at(&self, per: Micros) -> Option<Micros> {
        self.entries.back().map(|entry| entry.last.saturating_add(per))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    /// The most that was used in any window, from the uses as they really were.
    fn most(uses: &[(Micros, u64)], per: Micros) -> u64 {
        let within = |from: Micros| uses.iter().filter(move |(at, _)| (from..from + per).contains(at));
        uses.iter().map(|(from, _)| within(*from).map(|(_, amount)| amount).sum()).max().unwrap_or(0)
    }

    /// Takes what fits, at random times; gives what was used.
    fn used_at_random(limit: u64, per: Micros, most_at_once: u64) -> Vec<(Micros, u64)> {
        let (mut log, mut now, mut uses) = (Log::default(), 7 * SECOND, Vec::new());
        let mut random = fastrand::Rng::with_seed(limit);
        for _ in 0..20_000 {
            now += random.u64(0..per / 50);
            let amount = random.u64(1..=most_at_once);
            if log.sum(now, per) + amount <= limit {
                log.add(now, amount, (limit, per));
                uses.push((now, amount));
            }
        }
        assert!(log.entries.len() as u64 <= MAX_ENTRIES + 2, "{}", log.entries.len());
        uses
    }

    #[test]
    fn no_window_holds_more_than_its_limit_and_almost_all_of_it_can_be_used() {
        for (limit, per, most_at_once) in [
            (3, SECOND, 1),
            (60, 60 * SECOND, 1),
            (100_000, 3_600 * SECOND, 9_000),
            (5_000_000, 86_400 * SECOND, 300_000),
        ] {
            let uses = used_at_random(limit, per, most_at_once);
            let used = most(&uses, per);
            assert!(used <= limit, "{used} of {limit}");
            assert!(used + most_at_once > limit - limit / 20, "{used} of {limit}");
        }
    }

    #[test]
    fn a_small_window_is_exact_at_its_edges() {
        let (mut log, window) = (Log::default(), (2, 10 * SECOND));
        for (at, before) in [(0, 0), (4, 1), (10, 1), (14, 1), (20, 1), (39, 0), (39, 1)] {
            let now = at * SECOND;
            assert_eq!(log.sum(now, window.1), before, "at {at} s");
            log.add(now, 1, window);
        }
        let (mut log, now) = (Log::default(), 5 * SECOND);
        log.add(now, 1, window);
        assert_eq!(log.sum(now + window.1 - 1, window.1), 1);
        assert_eq!(log.sum(now + window.1, window.1), 0);
    }

    #[test]
    fn what_comes_close_together_in_a_large_window_leaves_with_its_last() {
        let (mut log, per) = (Log::default(), 1_024 * SECOND);
        let window = (10_000, per);
        for at in [0, SECOND / 2, SECOND - 1, SECOND] {
            log.add(at, 10, window);
        }
        assert_eq!(log.entries.len(), 2);
        assert_eq!(log.free_at(1, per), Some(per + SECOND - 1));
        assert_eq!(log.free_at(31, per), Some(per + SECOND));
        assert_eq!((log.free_at(41, per), log.empty_at(per)), (None, Some(per + SECOND)));
        assert_eq!(log.sum(per + SECOND - 2, per), 40);
        assert_eq!(log.sum(per + SECOND - 1, per), 10);
    }

    #[test]
    fn a_clock_that_jumps_frees_nothing_too_soon() {
        let (mut log, window) = (Log::default(), (5, 10 * SECOND));
        log.add(100 * SECOND, 1, window);
        // Back: it stands still until it comes past where it was.
        log.add(3 * SECOND, 1, window);
        assert_eq!(log.sum(13 * SECOND, window.1), 2);
        assert_eq!(log.sum(110 * SECOND, window.1), 0);
        // Far ahead, to the end of time.
        log.add(Micros::MAX, 1, window);
        log.add(Micros::MAX - 1, 1, window);
        assert_eq!(log.free_at(1, window.1), Some(Micros::MAX));
    }

    #[test]
    fn what_is_taken_back_was_never_used() {
        let (mut log, window) = (Log::default(), (5, 10 * SECOND));
        log.add(SECOND, 2, window);
        log.add(2 * SECOND, 1, window);
        log.take_back(2);
        assert_eq!((log.sum(3 * SECOND, window.1), log.empty_at(window.1)), (1, Some(11 * SECOND)));
        log.take_back(9);
        assert_eq!(log, Log::default());
    }
}
