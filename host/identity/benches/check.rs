//! What a request pays to be let in: `cargo bench -p sophia-identity`.
//!
//! Who sent it, and whether they may: the `authorization` header of one of many keys to a decision
//! on a resource, by grants of which the last allows it. The median of batches, each on one thread.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it measures or it fails, as a test does")]

use std::{env, hint::black_box, time::Instant};

use http::HeaderValue;
use sophia_domain::Environment;
use sophia_identity::{Identity, Permission, Resource, Rights};
use sophia_store::Store;

const OPERATOR: &str = "an-operator-key-of-a-benchmark";

/// How much is measured.
struct Size {
    n_keys: usize,
    n_batches: usize,
    checks_in_batch: u32,
}

const FULL: Size = Size { n_keys: 500, n_batches: 101, checks_in_batch: 10_000 };
const SMALL: Size = Size { n_keys: 3, n_batches: 2, checks_in_batch: 100 };

fn main() {
    // What a runner asks for before it runs a test: its name, once, and no ignored ones.
    if env::args().any(|arg| arg == "--list") {
        if !env::args().any(|arg| arg == "--ignored") {
            println!("runs_small: test");
        }
        return;
    }
    let size = if env::args().any(|arg| arg == "--bench") { FULL } else { SMALL };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (identity, header) = runtime.block_on(open(dir.path(), size.n_keys));
    let mut batches: Vec<_> = (0..size.n_batches)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..size.checks_in_batch {
                check(&identity, black_box(&header));
            }
            began.elapsed().as_nanos() / u128::from(size.checks_in_batch)
        })
        .collect();
    batches.sort_unstable();
    println!("auth.check {:>8} ns to recognise a caller and decide", batches[batches.len() / 2]);
}

fn check(identity: &Identity, header: &HeaderValue) {
    let caller = identity.identify(Some(header)).unwrap();
    caller.needs(Permission::AgentExecute, black_box(Resource::connection("hubspot", "emea"))).unwrap();
}

/// Many keys, each with grants; the header of the last one.
async fn open(dir: &std::path::Path, n_keys: usize) -> (Identity, HeaderValue) {
    let store = Store::open(dir).await.unwrap();
    let opened = Identity::open(store, Some(OPERATOR.into()), Environment::Production).await;
    let (identity, _) = opened.unwrap();
    let operator = identity.identify(Some(&bearer(OPERATOR))).unwrap();
    let mut last = None;
    for n in 0..n_keys {
        let made = identity.create_key(&operator, &format!("key-{n}"), rights(), None).await;
        last = Some(made.unwrap().0);
    }
    (identity, bearer(last.unwrap().reveal()))
}

/// Eight grants of four patterns; the last of them is the one that is asked for.
fn rights() -> Rights {
    let grant = |n: usize| {
        let resources: Vec<String> = (0..4).map(|m| format!("connection:vendor-{n}-{m}/*")).collect();
        let resources = if n == 7 { vec!["connection:hub*/emea".to_owned()] } else { resources };
        serde_json::json!({
            "permissions": ["sophia.read", "agent.execute"],
            "environments": ["production"],
            "resources": resources,
        })
    };
    serde_json::from_value(serde_json::json!({ "grants": (0..8).map(grant).collect::<Vec<_>>() })).unwrap()
}

fn bearer(key: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer {key}")).unwrap()
}
