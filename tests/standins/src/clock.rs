use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

/// What time a stand-in thinks it is. Cheap to clone; clones share a manual clock.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// Milliseconds since 1970, moved by whoever holds it.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands still at a moment, until [`Clock::advance`].
    pub fn at(millis: u64) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(millis)))
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        match self {
            Self::System => u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0),
            Self::Manual(millis) => millis.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock on. The system's cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(millis) = self {
            millis.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }
}
