//! CPU time of a call: what passes inside `poll` of the call's future.
//!
//! Ticks of the epoch are not CPU time, because a guest that waited is charged one when it goes
//! on. So the future that is polled notes when the slice began, where the epoch callback, which
//! runs on the same thread within that poll, can read it.

use std::{
    cell::Cell,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
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

/// CPU time of one call, in nanoseconds. Stands outside the call's future, so that it is there
/// when the future was dropped before its end.
#[derive(Debug, Default)]
pub(crate) struct Cpu(AtomicU64);

impl Cpu {
    /// What the polls that ended came to.
    pub(crate) fn so_far(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

pin_project! {
    /// A future whose polls are timed.
    pub(crate) struct Metered<'a, F> {
        #[pin]
        work: F,
        cpu: &'a Cpu,
    }
}

impl<'a, F> Metered<'a, F> {
    pub(crate) fn new(work: F, cpu: &'a Cpu) -> Self {
        Self { work, cpu }
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let slice = Slice { before: this.cpu.so_far(), began: Instant::now() };
        // Restored even if the work panics: the thread goes on with other calls.
        let _outer = Restore(SLICE.replace(Some(slice)));
        let poll = this.work.poll(cx);
        this.cpu.add(slice.began.elapsed());
        poll
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
        let cpu = Cpu::default();
        let mut metered = Box::pin(Metered::new(work, &cpu));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(metered.as_mut().poll(&mut cx).is_pending());
        assert_eq!(SLICE.get().map(|s| s.before), None);
        assert!(metered.as_mut().poll(&mut cx).is_pending());
        let before = cpu.so_far();
        let Poll::Ready(seen) = metered.as_mut().poll(&mut cx) else { panic!("third poll ends it") };
        let spent = cpu.so_far();
        assert!(before <= seen && seen <= spent && spent < Duration::from_secs(1));
        assert_eq!(cpu_so_far(), Duration::ZERO);
    }
}
