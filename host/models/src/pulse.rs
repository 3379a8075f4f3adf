//! How an upstream is doing, from the calls that go there. Nothing is asked of it beside them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How a provider or worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Answers.
    Healthy,
    /// Answers, slowly or with errors.
    Degraded,
    /// Does not answer.
    Down,
}

/// One per upstream; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Mutex<State>>);

/// A call that is under way at an upstream. Dropping it without a word says nothing about the
/// upstream: whoever asked went away.
#[derive(Debug)]
pub(crate) struct InFlight(Pulse);

/// The decision, apart from the clock and the lock.
#[derive(Debug, Default)]
struct State {
    in_flight: u32,
    /// Since the last success.
    n_failures: u32,
    /// Nothing is sent until then but one probe, and again after each probe.
    down_until: Option<Instant>,
    /// It asked for a pause until then.
    limited_until: Option<Instant>,
}

/// Failures in a row that make it down. SMG and Envoy open at five as well.
const MAX_FAILURES: u32 = 5;

/// How long nothing is sent to what is down. Short, since a probe is one request that falls back
/// to another candidate, and a worker that was started again is found soon.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest pause that an upstream may ask for with `Retry-After`.
const MAX_LIMITED: Duration = Duration::from_secs(60);

impl Pulse {
    pub(crate) fn health(&self, now: Instant) -> Health {
        self.with(|state| state.health(now))
    }

    /// Requests that are there now.
    pub(crate) fn in_flight(&self) -> u32 {
        self.with(|state| state.in_flight)
    }

    /// A call begins. Where the upstream was down and its pause is over, this is the probe, and
    /// for others the pause begins again.
    pub(crate) fn begin(&self, now: Instant) -> InFlight {
        self.with(|state| state.begin(now));
        InFlight(self.clone())
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl InFlight {
    /// It answered.
    pub(crate) fn answered(&self) {
        self.0.with(|state| (state.n_failures, state.down_until, state.limited_until) = (0, None, None));
    }

    /// It did not, or not what was asked.
    pub(crate) fn failed(&self, now: Instant) {
        self.0.with(|state| state.failed(now));
    }

    /// It asked for a pause.
    pub(crate) fn limited(&self, now: Instant, retry_after: Duration) {
        self.0.with(|state| state.limited_until = Some(now + retry_after.min(MAX_LIMITED)));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.with(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

impl State {
    fn health(&self, now: Instant) -> Health {
        let is_limited = self.limited_until.is_some_and(|until| now < until);
        match self.n_failures {
            MAX_FAILURES.. if self.down_until.is_some_and(|until| now < until) => Health::Down,
            0 if !is_limited => Health::Healthy,
            _ => Health::Degraded,
        }
    }

    fn begin(&mut self, now: Instant) {
        self.in_flight = self.in_flight.saturating_add(1);
        if self.n_failures >= MAX_FAILURES {
            self.down_until = Some(now + PAUSE);
        }
    }

    fn failed(&mut self, now: Instant) {
        self.n_failures = self.n_failures.saturating_add(1);
        self.down_until = Some(now + PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fails_in_a_row_until_it_is_down_and_is_probed_once_a_pause() {
        let (pulse, start) = (Pulse::default(), Instant::now());
        let call = pulse.begin(start);
        assert_eq!(pulse.health(start), Health::Healthy);
        for _ in 0..MAX_FAILURES {
            assert_ne!(pulse.health(start), Health::Down);
            call.failed(start);
        }
        assert_eq!(pulse.health(start + PAUSE - Duration::from_millis(1)), Health::Down);

        let later = start + PAUSE;
        assert_eq!(pulse.health(later), Health::Degraded, "one may try");
        let probe = pulse.begin(later);
        assert_eq!(pulse.health(later), Health::Down, "and only one");
        probe.failed(later);
        assert_eq!(pulse.health(later), Health::Down);

        let probe = pulse.begin(later + PAUSE);
        probe.answered();
        assert_eq!(pulse.health(later + PAUSE), Health::Healthy);
    }

    #[test]
    fn counts_what_is_there_and_forgives_who_went_away() {
        let (pulse, now) = (Pulse::default(), Instant::now());
        let calls = [pulse.begin(now), pulse.begin(now)];
        assert_eq!(pulse.in_flight(), 2);
        drop(calls);
        assert_eq!((pulse.in_flight(), pulse.health(now)), (0, Health::Healthy));
    }

    #[test]
    fn a_pause_that_it_asks_for_degrades_it_that_long() {
        let (pulse, now) = (Pulse::default(), Instant::now());
        pulse.begin(now).limited(now, Duration::from_secs(7));
        assert_eq!(pulse.health(now + Duration::from_secs(6)), Health::Degraded);
        assert_eq!(pulse.health(now + Duration::from_secs(7)), Health::Healthy);
        pulse.begin(now).limited(now, Duration::from_secs(u64::MAX));
        assert_eq!(pulse.health(now + MAX_LIMITED), Health::Healthy);
    }
}
