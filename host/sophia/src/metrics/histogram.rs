use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds in microseconds: dense where the node's own time lies, up to the longest wall limit.
const BOUNDS_US: [u64; 18] = [
    10,
    25,
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
];

/// Times by size: two relaxed additions an observation.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    above: AtomicU64,
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts a time.
    pub(crate) fn observe(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.iter().position(|bound| ns <= bound * 1_000);
        let bucket = place.and_then(|place| self.buckets.get(place)).unwrap_or(&self.above);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Sum in seconds, count, and each bucket's bound in seconds with its own count.
    pub(crate) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = BOUNDS_US.iter().map(|bound| Duration::from_micros(*bound).as_secs_f64()).chain([f64::INFINITY]);
        let counts = self.buckets.iter().chain([&self.above]).map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)).as_secs_f64(), count, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_each_time_where_it_belongs() {
        let histogram = Histogram::default();
        for us in [0, 10, 11, 299_000_000, 301_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let (sum, count, buckets) = histogram.read();
        assert_eq!(count, 5);
        assert!((sum - 600.000_021).abs() < 1e-6, "{sum}");
        let counted: Vec<_> =
            buckets.iter().enumerate().filter(|(_, (_, n))| *n > 0).map(|(i, (_, n))| (i, *n)).collect();
        assert_eq!(counted, [(0, 2), (1, 1), (17, 1), (18, 1)]);
    }
}
