//! The end of a node: nothing new is taken, what runs is finished.
//!
//! Connections ask on each of their polls, so asking is one relaxed load; a connection that
//! sleeps is woken by the notice that it registered once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, futures::OwnedNotified};

/// Whether this node is stopping. Built once at boot; cloned into nothing, shared by `Arc`.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_draining: AtomicBool,
    notice: std::sync::Arc<Notify>,
}

impl Drain {
    /// Starts it. A second time changes nothing.
    pub(crate) fn begin(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.notice.notify_waiters();
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Resolves when it begins, if polled before. Check [`Drain::has_begun`] after the first poll.
    pub(crate) fn notice(&self) -> OwnedNotified {
        self.notice.clone().notified_owned()
    }

    /// Resolves when it has begun. Cancel-safe.
    pub(crate) async fn begun(&self) {
        let mut notice = std::pin::pin!(self.notice());
        notice.as_mut().enable();
        if !self.has_begun() {
            notice.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_those_who_wait_and_those_who_come_later() {
        let drain = std::sync::Arc::new(Drain::default());
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.begun().await }
        });
        tokio::task::yield_now().await;
        assert!(!drain.has_begun());
        drain.begin();
        waiting.await.unwrap();
        drain.begun().await;
    }
}
