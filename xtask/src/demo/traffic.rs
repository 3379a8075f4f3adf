use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::node::Node;

/// Callers of an endpoint that do not pause, until they are stopped.
pub(super) struct Traffic {
    callers: Vec<JoinHandle<Vec<Call>>>,
    is_over: Arc<AtomicBool>,
}

/// One request: what came, and after what time.
struct Call {
    status: Option<u16>,
    took: Duration,
}

/// What all callers saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests.
    pub(super) n_calls: usize,
    /// Those that were not answered with 200.
    pub(super) n_failed: usize,
    /// All but one in a hundred were answered within this time.
    pub(super) p99: Duration,
}

/// Enough to have requests in flight at every moment, few enough for a laptop.
const N_CALLERS: usize = 4;

impl Traffic {
    /// Starts calling.
    pub(super) fn start(node: &Node, path: &'static str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let callers = (0..N_CALLERS).map(|_| {
            let (client, is_over) = (node.client(), Arc::clone(&is_over));
            thread::spawn(move || {
                let mut calls = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    let status = client.get(path).ok().map(|answer| answer.status);
                    calls.push(Call { status, took: start.elapsed() });
                }
                calls
            })
        });
        Self { callers: callers.collect(), is_over }
    }

    /// Lets each caller finish the request it is in, and says what they saw.
    pub(super) fn stop(self) -> Result<Seen> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        for caller in self.callers {
            let Ok(seen) = caller.join() else { bail!("a caller panicked") };
            calls.extend(seen);
        }
        Ok(Seen::of(&calls))
    }
}

impl Seen {
    fn of(calls: &[Call]) -> Self {
        let mut took: Vec<_> = calls.iter().map(|call| call.took).collect();
        took.sort();
        let p99 = took.get((took.len() * 99 / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default();
        Self { n_calls: calls.len(), n_failed: calls.iter().filter(|call| call.status != Some(200)).count(), p99 }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.p99.as_secs_f64() * 1e3;
        write!(f, "{} requests, {} failed, p99 {ms:.1} ms", self.n_calls, self.n_failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ranks() {
        let call = |ms, status| Call { status, took: Duration::from_millis(ms) };
        let mut calls: Vec<_> = (1..=100).map(|ms| call(ms, Some(200))).collect();
        calls.push(call(500, None));
        calls.push(call(1, Some(503)));
        assert_eq!(Seen::of(&calls), Seen { n_calls: 102, n_failed: 2, p99: Duration::from_millis(100) });
        assert_eq!(Seen::of(&[]).p99, Duration::ZERO);
    }
}
