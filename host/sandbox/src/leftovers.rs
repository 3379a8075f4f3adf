//! Stores whose call is over, dropped after the answer went on its way.
//!
//! Taking an instance apart, which wipes its memory for the next one, takes as long as making it.
//! Whoever waits for a policy's answer waits for no more than the answer: the store is dropped by a
//! task that runs when the one that asked waits for something, mostly for the model.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wasmtime::Store;

use crate::guest::Guest;

/// Most stores that wait. Until they are dropped they have their places in the pools, which hold 64
/// more than there are calls, for policies.
const MAX_WAITING: usize = 32;

/// How many wait. One per sandbox.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(Arc<AtomicUsize>);

/// One of those that wait, until dropped.
struct Waiting(Arc<AtomicUsize>);

impl Leftovers {
    /// Drops a store soon; at once where as many wait as may. Must run inside the runtime.
    pub(crate) fn drop_soon(&self, store: Store<Guest>) {
        if let Some(waiting) = self.wait() {
            tokio::spawn(async move {
                drop(store);
                drop(waiting);
            });
        }
    }

    fn wait(&self) -> Option<Waiting> {
        let waiting = Waiting(self.0.clone());
        (self.0.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_may() {
        let leftovers = Leftovers::default();
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| leftovers.wait()).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert!(leftovers.wait().is_none());
        assert!(leftovers.wait().is_none());
        drop(waiting.pop());
        assert!(leftovers.wait().is_some());
        drop(waiting);
        assert_eq!(leftovers.0.load(Ordering::Relaxed), 0);
    }
}
