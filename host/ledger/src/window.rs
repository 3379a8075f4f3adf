use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sophia_domain::Rate;

/// A rate and what was used of it. One per credential of a connection; clones share what was used.
///
/// Exact: within any time of the rate's length, no more than its count begin. (A token bucket of
/// that size would let up to twice as many through after a pause, which a vendor that counts
/// refuses.) Places are given in the order they are asked for.
#[derive(Debug, Clone)]
pub struct RateWindow {
    rate: Rate,
    places: Arc<Places>,
}

/// When the last requests began or will begin, oldest first; as many as the rate's count at most.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<VecDeque<Instant>>);

/// No place is free in time. None was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the next place is free in {} ms", .retry_after.as_millis())]
pub struct RateExceeded {
    /// How long until one is.
    pub retry_after: Duration,
}

impl RateWindow {
    pub(crate) fn new(rate: Rate, places: Arc<Places>) -> Self {
        Self { rate, places }
    }

    /// Takes the next place and gives its time, which is not before `now`. Refuses where that
    /// would be after `latest`. A place that is not used stays taken.
    pub fn take(&self, now: Instant, latest: Instant) -> Result<Instant, RateExceeded> {
        let count = usize::try_from(self.rate.count).unwrap_or(usize::MAX);
        let mut places = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        while places.len() > count {
            places.pop_front();
        }
        let free = match places.front() {
            Some(oldest) if places.len() == count => now.max(*oldest + self.rate.per.0),
            _ => now,
        };
        if free > latest {
            return Err(RateExceeded { retry_after: free - now });
        }
        if places.len() == count {
            places.pop_front();
        }
        places.push_back(free);
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(rate: &str) -> RateWindow {
        RateWindow::new(rate.parse().unwrap(), Arc::default())
    }

    #[test]
    fn lets_no_more_than_the_count_begin_within_any_window() {
        let (start, window) = (Instant::now(), window("3/10s"));
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let latest = at(1000);
        // A burst, then one late in the window, then more than there is room for.
        let asked = [0, 0, 9, 10, 10, 10, 10];
        let began: Vec<_> = asked.iter().map(|now| window.take(at(*now), latest).unwrap()).collect();
        assert_eq!(began, [at(0), at(0), at(9), at(10), at(10), at(19), at(20)]);
        for four in began.windows(4) {
            assert!(four[3] - four[0] >= Duration::from_secs(10), "{four:?}");
        }
    }

    #[test]
    fn refuses_what_would_come_too_late_and_takes_nothing_for_it() {
        let (start, window) = (Instant::now(), window("1/10s"));
        let soon = start + Duration::from_secs(4);
        assert_eq!(window.take(start, soon), Ok(start));
        for _ in 0..3 {
            assert_eq!(window.take(start, soon), Err(RateExceeded { retry_after: Duration::from_secs(10) }));
        }
        let later = start + Duration::from_secs(10);
        assert_eq!(window.take(later, later), Ok(later));
    }

    #[test]
    fn a_smaller_count_holds_at_once() {
        let (now, wide) = (Instant::now(), window("3/10s"));
        for _ in 0..3 {
            wide.take(now, now).unwrap();
        }
        let narrow = RateWindow::new("1/10s".parse().unwrap(), wide.places.clone());
        assert_eq!(narrow.take(now, now), Err(RateExceeded { retry_after: Duration::from_secs(10) }));
    }
}
