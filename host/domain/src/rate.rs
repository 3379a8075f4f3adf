use std::{fmt, str::FromStr, time::Duration};

use crate::Span;
use serde::{Deserialize, Serialize};

/// Most that a window counts: what is counted one by one takes memory.
const MAX_COUNT: u32 = 100_000;

/// Longest window: a day, which is the longest that vendors count in.
const MAX_PER: Duration = Duration::from_secs(24 * 3600);

/// So many in so long: `190/10s`. At most 100,000 in at most a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Span,
}

/// Text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate: write a number up to 100000, `/` and a time up to 24h, such as `190/10s`")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let rate = || {
            let (count, per) = text.split_once('/')?;
            let rate = Self { count: count.parse().ok()?, per: per.parse().ok()? };
            let (is_count, is_per) = ((1..=MAX_COUNT).contains(&rate.count), rate.per.0 <= MAX_PER);
            (is_count && is_per && !rate.per.0.is_zero()).then_some(rate)
        };
        rate().ok_or_else(|| RateError(text.to_owned()))
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rates() {
        let rate: Rate = "190/10s".parse().unwrap();
        assert_eq!(rate, Rate { count: 190, per: Span::millis(10_000) });
        assert_eq!(rate.to_string(), "190/10s");
        for text in ["", "190", "/10s", "0/10s", "10/0s", "-1/s", "1/10", "100001/1s", "1/25h"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
