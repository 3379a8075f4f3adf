//! CPU time of a call: what passes inside `poll` of the call's future.
//!
//! Ticks of the epoch are not CPU time, because a guest that waited is charged one when it goes
//! on. So the future that is polled notes when the slice began, where the epoch callback, which
//! runs on the same thread within that poll, can read it.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;

thread_local! {
    /// The slice that runs on this thread now.
    static SLICE: Cell<Option<Slice>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Slice {
    /// CPU time of the call before this slice.
    before: Duration,
    began: Instant,
}

pin_project! {
    /// A future whose polls are timed.
    pub(crate) struct Metered<F> {
        #[pin]
        work: F,
        spent: Duration,
    }
}

impl<F> Metered<F> {
    pub(crate) fn new(work: F) -> Self {
        Self { work, spent: Duration::ZERO }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = (F::Output, Duration);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let slice = Slice { before: *this.spent, began: Instant::now() };
        // Restored even if the work panics: the thread goes on with other calls.
        let _outer = Restore(SLICE.replace(Some(slice)));
        let poll = this.work.poll(cx);
        *this.spent += slice.began.elapsed();
        poll.map(|output| (output, *this.spent))
    }
}

/// Puts back the slice of the call that contains this one.
struct Restore(Option<Slice>);

impl Drop for Restore {
    fn drop(&mut self) {
        SLICE.set(self.0);
    }
}

/// CPU time so far of the call that is being polled on this thread.
pub(crate) fn cpu_so_far() -> Duration {
    SLICE.get().map_or(Duration::ZERO, |slice| slice.before + slice.began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_polls_and_not_the_time_between_them() {
        let mut turns = 0;
        let work = std::future::poll_fn(|_| {
            turns += 1;
            if turns == 3 { Poll::Ready(cpu_so_far()) } else { Poll::Pending }
        });
        let mut metered = Box::pin(Metered::new(work));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(metered.as_mut().poll(&mut cx).is_pending());
        assert_eq!(SLICE.get().map(|s| s.before), None);
        assert!(metered.as_mut().poll(&mut cx).is_pending());
        let Poll::Ready((seen, spent)) = metered.as_mut().poll(&mut cx) else { panic!("third poll ends it") };
        assert!(seen <= spent && spent < Duration::from_secs(1));
        assert_eq!(cpu_so_far(), Duration::ZERO);
    }
}
