//! Jobs that wait for a thread: first come, first served, and never more than a number.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// What can wait.
pub(crate) trait Job {
    /// Whether nobody waits for its result any more.
    fn is_abandoned(&self) -> bool;
}

/// A bounded queue between the tasks that serve clients and the threads that compute. One per
/// kind of job.
///
/// Its lock is held for some pointer moves, never while anything waits.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
    capacity: usize,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    /// As many wait as may.
    #[error("the queue is full")]
    Full,
    /// The worker is stopping.
    #[error("the queue is closed")]
    Closed,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    is_closed: bool,
}

impl<J: Job> Queue<J> {
    /// For at most `capacity` waiting jobs.
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { jobs: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), capacity }
    }

    /// Adds a job at the end. A place that an abandoned job holds is free.
    pub(crate) fn push(&self, job: J) -> Result<(), QueueError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(QueueError::Closed);
        }
        if state.jobs.len() >= self.capacity {
            state.jobs.retain(|job| !job.is_abandoned());
        }
        if state.jobs.len() >= self.capacity {
            return Err(QueueError::Full);
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The first job, once there is one; none when the queue is closed and empty. Blocks the
    /// thread.
    pub(crate) fn pop(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The first job, if there is one that `fits`. Does not block.
    pub(crate) fn pop_if(&self, fits: impl FnOnce(&J) -> bool) -> Option<J> {
        let mut state = self.lock();
        if state.jobs.front().is_some_and(fits) { state.jobs.pop_front() } else { None }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.iter().filter(|job| !job.is_abandoned()).count()
    }

    /// Takes no more; what waits is still done.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// A thread that panicked did not do so in here, so the state is whole.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbered {
        number: u32,
        is_abandoned: bool,
    }

    impl Job for Numbered {
        fn is_abandoned(&self) -> bool {
            self.is_abandoned
        }
    }

    fn job(number: u32) -> Numbered {
        Numbered { number, is_abandoned: false }
    }

    #[test]
    fn refuses_what_is_over_its_capacity() {
        let queue = Queue::new(2);
        queue.push(job(1)).unwrap();
        queue.push(job(2)).unwrap();
        assert_eq!(queue.push(job(3)), Err(QueueError::Full));
        assert_eq!(queue.pop().unwrap().number, 1);
        queue.push(job(3)).unwrap();
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn gives_the_place_of_an_abandoned_job_away() {
        let queue = Queue::new(1);
        queue.push(Numbered { number: 1, is_abandoned: true }).unwrap();
        assert_eq!(queue.len(), 0);
        queue.push(job(2)).unwrap();
        assert_eq!(queue.pop().unwrap().number, 2);
    }

    #[test]
    fn ends_when_closed_and_empty() {
        let queue = Queue::new(2);
        queue.push(job(1)).unwrap();
        queue.close();
        assert_eq!(queue.push(job(2)), Err(QueueError::Closed));
        assert_eq!(queue.pop().unwrap().number, 1);
        assert!(queue.pop().is_none());
    }

    #[test]
    fn takes_only_what_fits() {
        let queue = Queue::new(2);
        queue.push(job(5)).unwrap();
        assert!(queue.pop_if(|job| job.number < 5).is_none());
        assert_eq!(queue.pop_if(|job| job.number == 5).unwrap().number, 5);
        assert!(queue.pop_if(|_| true).is_none());
    }

    #[test]
    fn wakes_a_thread_that_waits() {
        let queue = Queue::<Numbered>::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.pop().map(|job| job.number));
            queue.push(job(9)).unwrap();
            assert_eq!(waiting.join().unwrap(), Some(9));
        });
    }
}
