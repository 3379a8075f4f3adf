use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sophia_domain::Span;

/// So many in so long: `190/10s`.
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
#[error("`{0}` is no rate: write a number, `/` and a time, such as `190/10s`")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let rate = || {
            let (count, per) = text.split_once('/')?;
            let rate = Self { count: count.parse().ok()?, per: per.parse().ok()? };
            (rate.count > 0 && !rate.per.0.is_zero()).then_some(rate)
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
        for text in ["", "190", "/10s", "0/10s", "10/0s", "-1/s", "1/10"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
