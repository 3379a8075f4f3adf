use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::HoldError;

/// How many calls began, ended and are written as charges. One per ledger.
///
/// Every call that began ends and is written exactly once, so that comparing two counts tells
/// whether all is done; and ended calls that are not yet written are the backlog of the disk.
#[derive(Debug)]
pub(crate) struct Tally {
    n_begun: AtomicU64,
    n_ended: AtomicU64,
    n_written: AtomicU64,
    is_closed: AtomicBool,
    /// Told when a count changed that somebody may wait for.
    progress: watch::Sender<()>,
}

/// A place among the calls that began, given back unless it is kept.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Tally);

/// Most calls that ended and are not written: some 30 MB. Beyond it calls begin only as fast as
/// the disk takes the charges of earlier ones. A call's end never waits.
const MAX_BEHIND: u64 = 65_536;

/// How long a call, or a query, waits for the disk to catch up. Longer means that it does not.
const MAX_WAIT: Duration = Duration::from_secs(5);

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            n_begun: AtomicU64::new(0),
            n_ended: AtomicU64::new(0),
            n_written: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            progress: watch::Sender::new(()),
        }
    }

    /// Counts a call that begins. Waits where the disk is behind.
    pub(crate) async fn begin(&self) -> Result<Place<'_>, HoldError> {
        if self.n_behind() > MAX_BEHIND {
            let caught_up = self.until(|| self.n_behind() <= MAX_BEHIND);
            timeout(MAX_WAIT, caught_up).await.map_err(|_| HoldError::Behind)?;
        }
        // Counted before it looks whether the ledger is closed: whoever closes it either turns
        // the call away here or sees it and waits for it.
        self.n_begun.fetch_add(1, SeqCst);
        let place = Place(self);
        if self.is_closed.load(SeqCst) { Err(HoldError::Closed) } else { Ok(place) }
    }

    /// Counts a call that ended. Its charge is on the way to the writer.
    pub(crate) fn end(&self) {
        self.n_ended.fetch_add(1, SeqCst);
    }

    /// Counts charges that are durable.
    pub(crate) fn write(&self, n_charges: usize) {
        self.n_written.fetch_add(u64::try_from(n_charges).unwrap_or(u64::MAX), SeqCst);
        self.progress.send_replace(());
    }

    /// Lets no further call begin.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, SeqCst);
    }

    /// Until all calls that began are written. For a closed tally, or it may be overtaken.
    pub(crate) async fn all_written(&self) {
        self.until(|| self.n_unwritten() == 0).await;
    }

    /// Until all calls that ended so far are written; false where that takes too long.
    pub(crate) async fn flushed(&self) -> bool {
        let n_ended = self.n_ended.load(SeqCst);
        timeout(MAX_WAIT, self.until(|| self.n_written.load(SeqCst) >= n_ended)).await.is_ok()
    }

    /// Calls that began and are not written.
    pub(crate) fn n_unwritten(&self) -> u64 {
        self.n_begun.load(SeqCst).saturating_sub(self.n_written.load(SeqCst))
    }

    fn n_behind(&self) -> u64 {
        self.n_ended.load(SeqCst).saturating_sub(self.n_written.load(SeqCst))
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        let mut progress = self.progress.subscribe();
        while !is_so() {
            // The sender lives in `self`, so this is always a change.
            let _ = progress.changed().await;
        }
    }
}

impl Place<'_> {
    /// The call began: it will end, and be written.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.n_begun.fetch_sub(1, SeqCst);
        if self.0.is_closed.load(SeqCst) {
            self.0.progress.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_begin_only_as_fast_as_the_disk_writes() {
        let tally = Tally::new();
        for _ in 0..=MAX_BEHIND {
            tally.begin().await.unwrap().keep();
            tally.end();
        }
        tokio::select! {
            biased;
            _ = tally.begin() => panic!("the disk is behind"),
            () = tokio::task::yield_now() => {}
        }
        let (waited, ()) = tokio::join!(tally.begin(), async { tally.write(1) });
        drop(waited.unwrap());
        assert_eq!(tally.n_unwritten(), MAX_BEHIND);
    }

    #[tokio::test]
    async fn whoever_closes_waits_for_all_that_began() {
        let tally = Tally::new();
        let turned_away = tally.begin().await.unwrap();
        tally.begin().await.unwrap().keep();
        tally.close();
        assert!(matches!(tally.begin().await, Err(HoldError::Closed)));
        let rest = async {
            tally.end();
            tally.write(1);
            tokio::task::yield_now().await;
            drop(turned_away);
        };
        tokio::join!(tally.all_written(), rest);
        assert_eq!(tally.n_unwritten(), 0);
    }
}
