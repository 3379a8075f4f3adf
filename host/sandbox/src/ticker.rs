//! The clock that interrupts guests: one thread that advances the engines' epochs every
//! millisecond while calls run, and sleeps when none do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use wasmtime::EngineWeak;

/// Time between two epochs: how finely CPU time is checked, and how long a guest that spins
/// keeps its thread before others are let in.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a call after which the thread sleeps until there is one.
const IDLE_TICKS: u32 = 64;

/// Runs from boot until dropped.
pub(crate) struct Ticker {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    n_calls: AtomicUsize,
    is_asleep: AtomicBool,
    is_stopped: AtomicBool,
}

/// Keeps the clock ticking for one call.
pub(crate) struct Ticking(Arc<State>);

impl Ticker {
    pub(crate) fn start(engines: Vec<EngineWeak>) -> std::io::Result<Self> {
        let state = Arc::new(State {
            n_calls: AtomicUsize::new(0),
            is_asleep: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
        });
        let thread = {
            let state = state.clone();
            thread::Builder::new().name("sophia-epoch".into()).spawn(move || tick(&state, &engines))?
        };
        Ok(Self { state, thread: Some(thread) })
    }

    /// Marks a call as running until the guard is dropped.
    pub(crate) fn call(&self) -> Ticking {
        self.state.n_calls.fetch_add(1, Ordering::SeqCst);
        if self.state.is_asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Ticking(self.state.clone())
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

fn tick(state: &State, engines: &[EngineWeak]) {
    let mut n_idle = 0;
    while !state.is_stopped.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        for engine in engines.iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
        n_idle = if state.n_calls.load(Ordering::SeqCst) == 0 { n_idle + 1 } else { 0 };
        if n_idle >= IDLE_TICKS {
            state.is_asleep.store(true, Ordering::SeqCst);
            // A call that came before the store has not seen it: look once more before parking.
            if state.n_calls.load(Ordering::SeqCst) == 0 && !state.is_stopped.load(Ordering::SeqCst) {
                thread::park();
            }
            state.is_asleep.store(false, Ordering::SeqCst);
            n_idle = 0;
        }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.n_calls.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.is_stopped.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
