use std::time::Duration;

/// The time that so many of a hundred stay within, in microseconds; 0 of none.
pub(crate) fn micros(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_place_in_the_sorted_list() {
        let mut times: Vec<Duration> = (0..100).rev().map(Duration::from_micros).collect();
        assert!((micros(&mut times, 50) - 50.0).abs() < 1e-9);
        assert!((micros(&mut times, 99) - 99.0).abs() < 1e-9);
        assert!(micros(&mut [], 50).abs() < 1e-9);
    }
}
