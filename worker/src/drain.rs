//! The end of a worker: nothing new is taken, what was taken is finished.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// Whether this worker is stopping, and what it still owes. Built once at start.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_draining: AtomicBool,
    requests: TaskTracker,
}

/// A request that is owed its answer. Held until the answer's last byte.
pub(crate) type Owed = TaskTrackerToken;

impl Drain {
    /// Takes a request on, unless the worker is stopping.
    pub(crate) fn admit(&self) -> Option<Owed> {
        // Counted first: whoever is counted after the drain began is let go at once.
        let owed = self.requests.token();
        (!self.has_begun()).then_some(owed)
    }

    /// Starts the end. A second time changes nothing.
    pub(crate) fn begin(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        self.requests.close();
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Resolves when it has begun and nothing is owed. Cancel-safe.
    pub(crate) async fn done(&self) {
        self.requests.wait().await;
    }

    /// How many answers are owed.
    pub(crate) fn n_owed(&self) -> usize {
        self.requests.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_when_the_last_answer_is_given() {
        let drain = Drain::default();
        let owed = drain.admit().unwrap();
        drain.begin();
        assert!(drain.admit().is_none());
        assert_eq!(drain.n_owed(), 1);
        drop(owed);
        drain.done().await;
    }
}
