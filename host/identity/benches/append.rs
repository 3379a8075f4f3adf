//! What the audit chain takes: `cargo bench -p sophia-identity --bench append`.
//!
//! *sustained*: entries a second that are durable, the disk in it, with so many callers waiting for
//! theirs at the same time. *alone*: microseconds until one entry is durable where nobody else has
//! any, of which a change pays two.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it measures or it fails, as a test does")]

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sophia_identity::audit::{Audit, AuditConfig, AuditKeys, Class, Entry, Outcome};
use sophia_store::Store;
use tokio::runtime::Builder;

/// How much is measured.
struct Size {
    rounds: usize,
    entries: usize,
    alone: usize,
}

const FULL: Size = Size { rounds: 5, entries: 50_000, alone: 301 };
const SMALL: Size = Size { rounds: 1, entries: 500, alone: 5 };

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

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
    runtime.block_on(measure(&size));
}

async fn measure(size: &Size) {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).await;
    for n_callers in [1, 32, 512] {
        let mut rates: Vec<f64> = Vec::new();
        for _ in 0..size.rounds {
            let entries = (size.entries / 512 * n_callers).max(size.entries / 100);
            rates.push(sustained(&audit, n_callers, entries).await);
        }
        rates.sort_by(f64::total_cmp);
        println!("sustained  {n_callers:>3} callers  {:>8.0} entries a second, all durable", rates[rates.len() / 2]);
    }
    let mut took: Vec<u128> = Vec::new();
    for _ in 0..size.alone {
        let began = Instant::now();
        audit.record(entry()).await.unwrap();
        took.push(began.elapsed().as_micros());
    }
    took.sort_unstable();
    println!("alone        1 caller   {:>8} us until an entry is durable", took[took.len() / 2]);
    let began = Instant::now();
    let report = audit.verify(&[]).await.unwrap();
    assert!(report.whole, "{:?}", report.faults);
    let n_entries = report.chains[0].entries;
    println!("verify     {n_entries} entries in {:.2} s", began.elapsed().as_secs_f64());
    audit.drain(Duration::from_secs(30)).await.unwrap();
}

/// Durable entries a second.
async fn sustained(audit: &Audit, n_callers: usize, entries: usize) -> f64 {
    let began = Instant::now();
    let each = entries.div_ceil(n_callers);
    let callers: Vec<_> = (0..n_callers)
        .map(|_| {
            let audit = audit.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    audit.record(entry()).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    (each * n_callers) as f64 / began.elapsed().as_secs_f64()
}

async fn open(dir: &Path) -> Audit {
    let config = AuditConfig { segment_entries: 10_000, segment_age: YEAR, changes: YEAR, refusals: YEAR };
    let keys = AuditKeys::new(&[1; 32], &[2; 32]);
    Audit::open(Store::open(dir).await.unwrap(), keys, dir, config).await.unwrap()
}

fn entry() -> Entry {
    Entry {
        class: Class::Change,
        at: Timestamp::now(),
        tenant: Some("main".parse().unwrap()),
        actor: Some("operator".into()),
        action: "PUT /v1/plugins/{name}".to_owned(),
        resource: Some("/v1/plugins/hello".to_owned()),
        outcome: Outcome::Done,
        status: Some(201),
        count: 1,
        request_id: None,
        peer: Some([127, 0, 0, 1].into()),
        detail: None,
    }
}
