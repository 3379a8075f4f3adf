//! A version gives way to the next while calls run, and no call is lost.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sophia_tests::{Caller, Setup, count, guest, with_manifest};

const CALLERS: usize = 8;
const MANIFEST: &str = "[plugin]\nname = \"swapped\"\nversion = \"1.0.0\"\nworld = \"endpoint\"\n";

/// Two components that answer differently, under one name.
fn versions() -> [(Vec<u8>, &'static str); 2] {
    [("hello", "Hello from Sophia!\n"), ("wasi02", "hello from Rust on WASI 0.2\n")]
        .map(|(name, says)| (with_manifest(&guest(name), MANIFEST), says))
}

async fn call_until(done: Arc<AtomicBool>, node: Caller) -> Vec<String> {
    let mut answers = Vec::new();
    while !done.load(Ordering::Relaxed) {
        answers.push(node.get("/x/swapped/").await.expect_text(200));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_versions_swap() {
    let node = Setup::new().start().await;
    let versions = versions();
    node.deploy("swapped", &versions[0].0).await;
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(call_until(done.clone(), Caller::clone(&node)))).collect();
    let n_swaps = count(10, 1_000);
    for swap in 1..=n_swaps {
        let (wasm, says) = &versions[swap % 2];
        node.deploy("swapped", wasm).await;
        assert_eq!(node.get("/x/swapped/").await.expect_text(200), *says, "after swap {swap}");
    }
    done.store(true, Ordering::Relaxed);
    let mut answers = Vec::new();
    for caller in callers {
        answers.extend(caller.await.unwrap());
    }
    for (_, says) in &versions {
        assert!(answers.iter().any(|answer| answer == says), "nobody was answered {says:?}");
    }
    assert!(answers.iter().all(|answer| versions.iter().any(|(_, says)| answer == says)));
    println!("{} calls were answered during {n_swaps} swaps", answers.len());
    node.stop().await;
}
