use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A number of bytes, written `64MiB`, `512KiB` or `100B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// A length of time, written `500ms`, `30s`, `5m`, `1h` or `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// Text that is no size or time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}")]
pub struct UnitError {
    text: String,
    what: &'static str,
}

const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const SPANS_MS: &[(&str, u64)] = &[("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

impl ByteSize {
    /// From mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// As a length in memory; the largest one where it does not fit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Span {
    /// From milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, SIZES)
            .map(Self)
            .ok_or_else(|| UnitError { text: text.into(), what: "size: write a whole number and B, KiB, MiB or GiB" })
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, SPANS_MS)
            .map(Self::millis)
            .ok_or_else(|| UnitError { text: text.into(), what: "time: write a whole number and ms, s, m, h or d" })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = largest_exact(self.0, SIZES).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, scale) = match ms {
            0 => ("ms", 1),
            _ if ms.is_multiple_of(3_600_000) => ("h", 3_600_000),
            _ if ms.is_multiple_of(60_000) => ("m", 60_000),
            _ if ms.is_multiple_of(1_000) => ("s", 1_000),
            _ => ("ms", 1),
        };
        write!(f, "{}{unit}", ms / scale)
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = UnitError;

            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_text!(ByteSize Span);

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, scale) = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)))?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(scale)
}

fn largest_exact(n: u64, units: &'static [(&'static str, u64)]) -> Option<(&'static str, u64)> {
    units.iter().find(|(_, scale)| n != 0 && n.is_multiple_of(*scale)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_sizes() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1KiB", 1024), ("7B", 7), ("2GiB", 2 << 30), ("0B", 0)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        for text in ["", "64", "MiB", "-1B", "1.5MiB", "64mb", "+1B", "99999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn reads_and_writes_times() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("0ms", 0)] {
            assert_eq!(text.parse(), Ok(Span::millis(ms)));
            assert_eq!(Span::millis(ms).to_string(), text);
        }
        assert_eq!("2d".parse(), Ok(Span::millis(48 * 3_600_000)));
        for text in ["", "30", "s", "-1s", "1.5s", "1w"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
