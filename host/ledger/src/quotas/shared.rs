//! What all nodes share of windows: the port, and its implementation within a process.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::slices::{Leased, SliceAsk, Slices};

/// Where windows are kept that several nodes share.
///
/// An implementation keeps one [`Slices`] under each name, with its own clock, and applies
/// [`Slices::lease`] to it without another node's change in between: a compare-and-swap is enough.
/// It may forget a window that nobody asked for in that window's length and a term.
#[async_trait]
pub trait SharedWindows: Send + Sync + fmt::Debug {
    /// Leases a slice of the window of this name. May be asked again after an answer that was lost;
    /// dropping the future may or may not have leased.
    async fn lease(&self, window: &str, ask: &SliceAsk) -> Result<Leased, SharedLost>;
}

/// What all nodes share cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what all nodes share cannot be reached")]
pub struct SharedLost;

/// Windows that the nodes of one process share. A node alone needs none.
#[derive(Debug)]
pub struct InProcess {
    began: Instant,
    windows: Mutex<HashMap<String, Slices>>,
}

impl Default for InProcess {
    fn default() -> Self {
        Self { began: Instant::now(), windows: Mutex::default() }
    }
}

#[async_trait]
impl SharedWindows for InProcess {
    async fn lease(&self, window: &str, ask: &SliceAsk) -> Result<Leased, SharedLost> {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(windows.entry(window.to_owned()).or_default().lease(ask, now))
    }
}

/// How long a node waits for a slice. A place in the same region answers in a millisecond; a
/// request that waits longer is better told that the state is lost.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);
