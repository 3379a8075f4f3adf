//! What a call pays for its limits: `cargo bench -p sophia-ledger --bench quota`.
//!
//! Nanoseconds of a thread to enter and to leave, the median of bursts: where nothing is limited,
//! where others are, and with a window of the tenant, a window of the key and its calls at once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it measures or it fails, as a test does")]

use std::{env, thread, time::Instant};

use sophia_domain::{KeyId, RouteClass, TenantId};
use sophia_ledger::{BudgetScope, QuotaDefaults, Quotas};
use sophia_store::Store;
use tokio::runtime::{Builder, Handle, Runtime};

fn main() {
    // What a runner asks for before it runs a test: its name, once, and no ignored ones.
    if env::args().any(|arg| arg == "--list") {
        if !env::args().any(|arg| arg == "--ignored") {
            println!("runs_small: test");
        }
        return;
    }
    let (n_bursts, n_calls) = if env::args().any(|arg| arg == "--bench") { (31, 20_000) } else { (2, 200) };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = runtime.block_on(Store::open(dir.path())).unwrap();
    let quotas = runtime.block_on(Quotas::open(store, QuotaDefaults::default())).unwrap();
    let (tenant, key) = (TenantId::main(), KeyId::from("ci"));
    let set = |scope, limits: &[&str]| {
        let limits = limits.iter().map(|limit| limit.parse().unwrap()).collect();
        runtime.block_on(quotas.set(scope, limits)).unwrap();
    };
    for name in ["nothing limited", "others limited", "three limits"] {
        match name {
            "others limited" => set(BudgetScope::Key(tenant.clone(), "other".into()), &["requests=1/h"]),
            "three limits" => {
                set(BudgetScope::Tenant(tenant.clone()), &["requests=1000000000/h"]);
                set(BudgetScope::Key(tenant.clone(), key.clone()), &["requests=1000000000/h", "concurrent=100"]);
            }
            _ => {}
        }
        for n_threads in [1, 2] {
            let mut bursts: Vec<_> = (0..n_bursts).map(|_| burst(&runtime, &quotas, n_threads, n_calls)).collect();
            bursts.sort_unstable();
            println!("{name:<16} {n_threads} threads  {:>6} ns a call", bursts[bursts.len() / 2]);
        }
    }
}

/// The mean time of a call of the slowest of some threads, in nanoseconds.
fn burst(runtime: &Runtime, quotas: &Quotas, n_threads: u32, n_calls: u32) -> u128 {
    thread::scope(|threads| {
        let threads: Vec<_> =
            (0..n_threads).map(|_| threads.spawn(|| calls(runtime.handle(), quotas, n_calls))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

fn calls(runtime: &Handle, quotas: &Quotas, n_calls: u32) -> u128 {
    let (tenant, key) = (TenantId::main(), KeyId::from("ci"));
    runtime.block_on(async {
        let began = Instant::now();
        for _ in 0..n_calls {
            drop(quotas.enter(&tenant, &key, RouteClass::Connectors).await.unwrap());
        }
        began.elapsed().as_nanos() / u128::from(n_calls)
    })
}
