//! What a model call pays for its money: `cargo bench -p sophia-ledger`.
//!
//! *burst*: nanoseconds of a thread for a hold in three budgets and its settlement, the median of
//! bursts that the writer has not to keep up with. *sustained*: calls a second with every charge
//! written, so the disk and the writer are in it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it measures or it fails, as a test does")]

use std::{
    env, thread,
    time::{Duration, Instant},
};

use sophia_domain::{TenantId, Tokens, Usd};
use sophia_ledger::{BudgetScope, ChargeFilter, ChargeKind, Draft, Ledger, Used};
use sophia_store::Store;
use tokio::runtime::{Builder, Handle, Runtime};

const UPPER: u64 = 100;

/// How much is measured.
struct Size {
    n_bursts: usize,
    calls_in_burst: u32,
    sustained_calls: u32,
}

const FULL: Size = Size { n_bursts: 31, calls_in_burst: 20_000, sustained_calls: 400_000 };
const SMALL: Size = Size { n_bursts: 2, calls_in_burst: 200, sustained_calls: 2_000 };

fn main() {
    // What a runner asks for before it runs a test: its name, once, and no ignored ones.
    if env::args().any(|arg| arg == "--list") {
        if !env::args().any(|arg| arg == "--ignored") {
            println!("runs_small: test");
        }
        return;
    }
    let size = if env::args().any(|arg| arg == "--bench") { FULL } else { SMALL };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ledger = runtime.block_on(open(dir.path()));
    for n_threads in [1, 2, 4] {
        let mut bursts: Vec<_> = (0..size.n_bursts)
            .map(|_| {
                let calls = size.calls_in_burst / n_threads;
                let took = burst(&runtime, &ledger, n_threads, calls);
                flush(&runtime, &ledger);
                took.as_nanos() / u128::from(calls)
            })
            .collect();
        bursts.sort_unstable();
        println!("burst      {n_threads} threads  {:>8} ns a hold and settle", bursts[bursts.len() / 2]);
    }
    let began = Instant::now();
    burst(&runtime, &ledger, 2, size.sustained_calls / 2);
    flush(&runtime, &ledger);
    let rate = f64::from(size.sustained_calls) / began.elapsed().as_secs_f64();
    println!("sustained  2 threads  {rate:>8.0} calls a second, all written");
    runtime.block_on(ledger.drain(Duration::from_secs(30))).unwrap();
}

/// The time until the slowest of some threads made its calls.
fn burst(runtime: &Runtime, ledger: &Ledger, n_threads: u32, calls: u32) -> Duration {
    thread::scope(|threads| {
        let threads: Vec<_> = (0..n_threads).map(|_| threads.spawn(|| call(runtime.handle(), ledger, calls))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

fn call(runtime: &Handle, ledger: &Ledger, calls: u32) -> Duration {
    let (draft, upper) = (draft(), Usd::from_micros(UPPER).unwrap());
    let used = Used {
        tokens: Tokens { input: 900, cached: 0, output: 90 },
        cost: Usd::from_micros(UPPER - 10).unwrap(),
        is_estimated: false,
    };
    runtime.block_on(async {
        let began = Instant::now();
        for _ in 0..calls {
            ledger.hold(draft.clone(), upper).await.unwrap().settle(used);
        }
        began.elapsed()
    })
}

/// Asks for what is written last, which waits for all that ended.
fn flush(runtime: &Runtime, ledger: &Ledger) {
    while runtime.block_on(ledger.charges(&ChargeFilter::default(), None, 1)).is_err() {}
}

async fn open(dir: &std::path::Path) -> Ledger {
    let ledger = Ledger::open(Store::open(dir).await.unwrap()).await.unwrap();
    let main = TenantId::main();
    for scope in [
        BudgetScope::Tenant(main.clone()),
        BudgetScope::Key(main.clone(), "operator".into()),
        BudgetScope::Run(main, "run".into()),
    ] {
        ledger.set_budget(scope, Some(Usd::dollars(1_000_000))).await.unwrap();
    }
    ledger
}

fn draft() -> Draft {
    Draft {
        tenant: TenantId::main(),
        key: "operator".into(),
        plugin: Some("code-review".parse().unwrap()),
        run: Some("run".into()),
        model: "small".into(),
        class: "fast".into(),
        kind: ChargeKind::Completion,
        most_tokens: 990,
    }
}
