use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sophia_domain::Fault;
use wasmtime::Store;

use crate::{Spent, guest::Guest, meter::Cpu};

/// How a call ended whose answer had begun.
#[derive(Debug)]
pub struct Ended {
    /// What it used.
    pub spent: Spent,
    /// How it failed behind the answer's head.
    pub fault: Option<Fault>,
}

type Over = Box<dyn FnOnce(Ended) + Send>;

/// What a call comes to. One per call, shared by its guest and its answer's body; final when
/// both have let go of it.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) cpu: Cpu,
    /// But for CPU time.
    used: OnceLock<Spent>,
    fault: OnceLock<Fault>,
    over: Mutex<Option<Over>>,
}

/// A guest's store, which writes down what it used before it goes, also where the guest is cut
/// off in the middle.
pub(super) struct Counted {
    pub(super) store: Store<Guest>,
    // After the store: the call is over when that is gone.
    tally: Arc<Tally>,
}

impl Tally {
    /// Notes a fault, and answers the first that was noted.
    pub(super) fn fail(&self, fault: Fault) -> Fault {
        self.fault.get_or_init(|| fault).clone()
    }

    /// What the call used so far.
    pub(super) fn spent(&self) -> Spent {
        Spent { cpu: self.cpu.so_far(), ..self.used.get().copied().unwrap_or_default() }
    }

    /// What it came to so far.
    pub(super) fn ended(&self) -> Ended {
        Ended { spent: self.spent(), fault: self.fault.get().cloned() }
    }

    /// Has `over` called when the last one lets go.
    pub(super) fn when_over(&self, over: Over) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = Some(over);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let over = self.over.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(over) = over {
            over(self.ended());
        }
    }
}

impl Counted {
    pub(super) fn new(store: Store<Guest>, tally: Arc<Tally>) -> Self {
        Self { store, tally }
    }

    /// Closes the guest's log and writes down what was used. The first time counts.
    pub(super) fn settle(&mut self) {
        self.store.data_mut().close_log();
        self.tally.used.get_or_init(|| self.store.data().spent());
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn is_over_when_the_last_one_lets_go() {
        let (sender, ended) = mpsc::channel();
        let tally = Arc::new(Tally::default());
        let guests = tally.clone();
        tally.when_over(Box::new(move |ended| sender.send(ended).unwrap()));
        drop(tally);
        assert!(ended.try_recv().is_err(), "the guest still runs");
        guests.used.set(Spent { wall: Duration::from_millis(7), host_calls: 3, ..Spent::default() }).unwrap();
        assert_eq!(guests.fail(Fault::Busy), Fault::Busy);
        assert_eq!(guests.fail(Fault::Cancelled), Fault::Busy, "what comes first is the cause");
        drop(guests);
        let ended = ended.try_recv().unwrap();
        assert_eq!((ended.spent.host_calls, ended.fault), (3, Some(Fault::Busy)));
    }
}
