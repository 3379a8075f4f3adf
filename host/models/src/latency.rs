use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a model took to its first token, over the last minute. One per model of an upstream.
#[derive(Debug, Default)]
pub(crate) struct Latency(Mutex<VecDeque<(Instant, Duration)>>);

/// What a median of the last minute is made of at most. It is computed at each call, and more
/// samples would not change a decision.
const MAX_SAMPLES: usize = 32;

const WINDOW: Duration = Duration::from_secs(60);

impl Latency {
    /// Remembers a first token.
    pub(crate) fn observe(&self, now: Instant, took: Duration) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == MAX_SAMPLES {
            samples.pop_front();
        }
        samples.push_back((now, took));
    }

    /// The median; zero where the last minute saw none.
    pub(crate) fn median(&self, now: Instant) -> Duration {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = samples.iter().filter(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
        let mut recent: Vec<Duration> = recent.map(|(_, took)| *took).collect();
        drop(samples);
        if recent.is_empty() {
            return Duration::ZERO;
        }
        let middle = recent.len() / 2;
        *recent.select_nth_unstable(middle).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_median_of_the_last_minute() {
        let (latency, start) = (Latency::default(), Instant::now());
        let (ms, at) = (Duration::from_millis, |seconds| start + Duration::from_secs(seconds));
        assert_eq!(latency.median(start), ms(0));
        for (second, took) in [(0, 900), (30, 10), (31, 30), (32, 20)] {
            latency.observe(at(second), ms(took));
        }
        assert_eq!(latency.median(at(33)), ms(30));
        assert_eq!(latency.median(at(60)), ms(20), "the first is forgotten");
        assert_eq!(latency.median(at(92)), ms(0));
        for _ in 0..MAX_SAMPLES {
            latency.observe(at(33), ms(5));
        }
        assert_eq!(latency.median(at(33)), ms(5), "the oldest make room");
    }
}
