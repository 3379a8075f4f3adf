//! Quotas as they are written: `[class.]kind=amount[/time][,open|,closed]`.

use std::{fmt, str::FromStr, time::Duration};

use super::{OnLoss, Quota, QuotaKind, RouteClass};
use crate::{Span, Usd};

/// Text that is no quota.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no limit: {wrong}")]
pub struct QuotaError {
    text: String,
    wrong: &'static str,
}

/// Most that a quota counts: sums of it stay far from the end of 64 bits.
const MAX_AMOUNT: u64 = 1_000_000_000_000;

/// Shortest window: below it a time in whole seconds, as headers have it, says nothing.
const MIN_PER: Duration = Duration::from_secs(1);

/// Longest window: a month.
const MAX_PER: Duration = Duration::from_secs(31 * 24 * 3600);

/// Longest text, and most of one that is shown.
const MAX_TEXT: usize = 80;

/// Units as people write them, without a number in front.
const UNITS: &[(&str, u64)] = &[
    ("s", 1_000),
    ("sec", 1_000),
    ("second", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("minute", 60_000),
    ("h", 3_600_000),
    ("hour", 3_600_000),
    ("d", 86_400_000),
    ("day", 86_400_000),
];

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        read(text).map_err(|wrong| QuotaError {
            text: text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect(),
            wrong,
        })
    }
}

fn read(text: &str) -> Result<Quota, &'static str> {
    if text.len() > MAX_TEXT {
        return Err("it is too long");
    }
    let (name, value) = text.split_once('=').ok_or("write it as `requests=60/min`")?;
    let (class, kind) = match name.split_once('.') {
        Some((class, kind)) => (Some(self::class(class)?), kind),
        None => (None, name),
    };
    let kind = QuotaKind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = kind.ok_or("what is counted is `requests`, `concurrent`, `tokens` or `cost`")?;
    if class.is_some() && matches!(kind, QuotaKind::Tokens | QuotaKind::Cost) {
        return Err("tokens and money are used by model calls, wherever those come from: write no class");
    }
    let (value, on_loss) = match value.split_once(',') {
        None => (value, kind.on_loss()),
        Some((value, "open")) => (value, OnLoss::Open),
        Some((value, "closed")) => (value, OnLoss::Closed),
        Some(_) => return Err("behind the comma stands `open` or `closed`"),
    };
    let (amount, per) = match (kind, value.split_once('/')) {
        (QuotaKind::Concurrent, None) => (amount(value)?, None),
        (QuotaKind::Concurrent, Some(_)) => return Err("calls at once have no time: write `concurrent=10`"),
        (_, None) => return Err("say in how long, such as `/min`, `/10s`, `/h` or `/day`"),
        (QuotaKind::Cost, Some((dollars, per))) => (money(dollars)?, Some(window(per)?)),
        (_, Some((count, per))) => (amount(count)?, Some(window(per)?)),
    };
    if !(1..=MAX_AMOUNT).contains(&amount) {
        return Err("the number is 1 to 1000000000000, and money at most a million dollars");
    }
    Ok(Quota { class, kind, amount, per, on_loss })
}

fn class(text: &str) -> Result<RouteClass, &'static str> {
    let class = RouteClass::ALL.into_iter().find(|class| class.as_str() == text);
    class.ok_or("the class is `plugins`, `connectors`, `runs`, `models` or `control`")
}

/// A whole number, or so many thousands (`k`) or millions (`M`).
fn amount(text: &str) -> Result<u64, &'static str> {
    let wrong = "write a whole number, which may end in `k` or `M`";
    let scaled = [("k", 1_000), ("M", 1_000_000)];
    let (digits, scale) =
        scaled.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale))).unwrap_or((text, 1));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong);
    }
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).ok_or(wrong)
}

fn money(text: &str) -> Result<u64, &'static str> {
    let dollars: Result<Usd, _> = text.parse();
    dollars.map(Usd::micros).map_err(|_| "write dollars with up to six decimals, such as `$5`")
}

fn window(text: &str) -> Result<Span, &'static str> {
    let of_unit = UNITS.iter().find(|(unit, _)| *unit == text).map(|(_, ms)| Span::millis(*ms));
    let span = of_unit.or_else(|| text.parse().ok()).ok_or("the time is such as `min`, `10s`, `h` or `30d`")?;
    let is_whole = span.0.subsec_nanos() == 0;
    if (MIN_PER..=MAX_PER).contains(&span.0) && is_whole {
        Ok(span)
    } else {
        Err("the time is whole seconds, 1s to 31d")
    }
}

impl Quota {
    /// The amount, as people read it.
    pub fn shown_amount(&self) -> String {
        match self.kind {
            QuotaKind::Cost => Usd::from_micros(self.amount).unwrap_or(Usd::MAX).to_string(),
            _ => self.amount.to_string(),
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = self.class {
            write!(f, "{}.", class.as_str())?;
        }
        write!(f, "{}={}", self.kind.as_str(), self.shown_amount())?;
        if let Some(per) = self.per {
            write!(f, "/{per}")?;
        }
        match self.on_loss {
            usual if usual == self.kind.on_loss() => Ok(()),
            OnLoss::Open => f.write_str(",open"),
            OnLoss::Closed => f.write_str(",closed"),
        }
    }
}

impl TryFrom<String> for Quota {
    type Error = QuotaError;

    fn try_from(text: String) -> Result<Self, QuotaError> {
        text.parse()
    }
}

impl From<Quota> for String {
    fn from(quota: Quota) -> Self {
        quota.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_writes_it_in_one_way() {
        for (text, written) in [
            ("requests=60/min", "requests=60/1m"),
            ("requests=60/60s", "requests=60/1m"),
            ("models.requests=5/10s", "models.requests=5/10s"),
            ("concurrent=10", "concurrent=10"),
            ("runs.concurrent=2,closed", "runs.concurrent=2,closed"),
            ("tokens=100k/h", "tokens=100000/1h"),
            ("tokens=2M/day,open", "tokens=2000000/24h,open"),
            ("cost=$5/day", "cost=$5.000000/24h"),
            ("cost=0.25/30d,closed", "cost=$0.250000/720h"),
            ("requests=1/s,open", "requests=1/1s"),
        ] {
            let quota: Quota = text.parse().unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(quota.to_string(), written);
            assert_eq!(written.parse(), Ok(quota));
        }
        let cost: Quota = "cost=$5/day".parse().unwrap();
        assert_eq!((cost.amount, cost.on_loss), (5_000_000, OnLoss::Closed));
    }

    #[test]
    fn refuses_what_could_not_be_kept() {
        for text in [
            "",
            "requests",
            "requests=",
            "requests=60",
            "requests=0/1m",
            "requests=-1/1m",
            "requests=1.5/1m",
            "requests=60/500ms",
            "requests=60/1500ms",
            "requests=60/0s",
            "requests=60/32d",
            "requests=60/m2",
            "requests=60/1m,maybe",
            "concurrent=10/1m",
            "models.tokens=1k/h",
            "everything.requests=1/m",
            "x-forwarded-for=1/m",
            "cost=$5",
            "cost=5k/day",
            "cost=$1000001/day",
            "tokens=18446744073709551615M/h",
            "tokens=99999999999999999999/h",
            "requests=٣/1m",
        ] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
        let long = format!("requests={}/1m", "0".repeat(200));
        assert!(long.parse::<Quota>().unwrap_err().to_string().len() < 120);
    }
}
