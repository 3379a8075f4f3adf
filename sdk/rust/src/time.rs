//! Time from the host. `std::time` panics in a guest.

mod rfc3339;

use std::time::Duration;

use crate::bindings::connector::sophia::plugin::clock;

/// A moment of wall time, counted from 1970-01-01T00:00:00Z. May go back between two calls of
/// [`now`](Self::now) when the machine's clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTime(Duration);

/// A moment that never goes back. Only its distance to another of the same call means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl SystemTime {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(Duration::ZERO);

    /// The moment it is.
    pub fn now() -> Self {
        let now = clock::now();
        Self(Duration::new(now.seconds, now.nanoseconds))
    }

    /// From milliseconds since 1970.
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Milliseconds since 1970, rounded down.
    pub fn unix_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// How long after an earlier moment, or none where that one is later.
    pub fn duration_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    /// So much later.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// So much earlier, but not before 1970.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }

    /// Reads RFC 3339, such as `2024-02-29T12:00:00.123Z`. None where it is not, or before 1970.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        rfc3339::parse(text).map(Self)
    }

    /// RFC 3339 in UTC with milliseconds.
    pub fn to_rfc3339(self) -> String {
        rfc3339::format(self.0)
    }
}

impl Instant {
    /// The moment it is.
    pub fn now() -> Self {
        Self(Duration::from_nanos(clock::monotonic()))
    }

    /// Time passed since then.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
