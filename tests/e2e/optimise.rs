//! An upload is live on code that was compiled quickly. Optimised code takes its place by itself,
//! is the only code that is kept, and disturbs nobody.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use sophia_tests::{Caller, DataDir, KillSwitch, Node, Setup, count, guest, variant, wait_until, with_manifest};

use crate::kill_at::{KILL_AT, can_trace};

const MANIFEST: &str = "[plugin]\nname = \"swapped\"\nversion = \"1.0.0\"\nworld = \"endpoint\"\n";
/// Said once for each version that gets optimised code while it answers.
const REPLACED: &str = "optimised code took the place of quick code";

/// Two components that answer differently, under one name. The second takes longer to compile.
fn versions() -> [(Vec<u8>, &'static str); 2] {
    [("hello", "Hello from Sophia!\n"), ("wasi02", "hello from Rust on WASI 0.2\n")]
        .map(|(name, says)| (with_manifest(&guest(name), MANIFEST), says))
}

/// The names of the compiled code that is kept.
fn kept_code(data: &DataDir) -> Vec<String> {
    let entries = fs::read_dir(data.path().join("blobs/aot")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn is_kept(data: &DataDir, digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap();
    kept_code(data).iter().any(|name| name.starts_with(hex))
}

async fn start_again(node: Node) -> Node {
    let data = node.data().clone();
    node.stop().await;
    Setup::new().on(&data).start().await
}

async fn call_until(done: Arc<AtomicBool>, node: Caller) -> usize {
    let mut n_calls = 0;
    while !done.load(Ordering::Relaxed) {
        assert_eq!(node.get("/x/swapped/").await.status, 200);
        n_calls += 1;
    }
    n_calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_code_answers_and_gives_way_to_optimised_code_without_a_lost_call() {
    let node = Setup::new().start().await;
    let (wasm, says) = &versions()[1];
    let answer = node.put_plugin("swapped", wasm).await.expect(201);
    assert_eq!(kept_code(node.data()), [""; 0], "quick code is never kept");
    let compiled = answer["steps"].as_array().unwrap().iter().find(|step| step["step"] == "compile").unwrap();
    assert_eq!(compiled["note"], "quickly; optimised code follows");
    assert_eq!(node.get("/x/swapped/").await.expect_text(200), *says);

    let done = Arc::new(AtomicBool::new(false));
    let caller = tokio::spawn(call_until(done.clone(), Caller::clone(&node)));
    node.optimised("swapped").await;
    assert!(is_kept(node.data(), answer["digest"].as_str().unwrap()));
    assert_eq!(node.get("/x/swapped/").await.expect_text(200), *says);
    done.store(true, Ordering::Relaxed);
    println!("{} calls were answered meanwhile", caller.await.unwrap());
    let node = start_again(node).await;
    assert_eq!(node.code("swapped").await, "optimised");
    let log = node.stop_and_log().await;
    assert_eq!(log.matches(REPLACED).count(), 1, "{log}");
}

#[tokio::test]
async fn a_later_upload_stays_live_while_earlier_ones_are_optimised() {
    let node = Setup::new().start().await;
    let versions = versions();
    let n_uploads = u32::try_from(count(4, 40)).unwrap();
    let (mut digests, mut says) = (Vec::new(), "");
    for nth in 0..n_uploads {
        let (wasm, its) = &versions[nth as usize % 2];
        digests.push(node.deploy("swapped", &variant(wasm, nth)).await);
        says = its;
        assert_eq!(node.get("/x/swapped/").await.expect_text(200), says, "after upload {nth}");
    }
    wait_until("every version is optimised", async || {
        assert_eq!(node.get("/x/swapped/").await.expect_text(200), says);
        digests.iter().all(|digest| is_kept(node.data(), digest))
    })
    .await;
    node.optimised("swapped").await;
    let inspected = node.get("/v1/plugins/swapped").await.expect(200);
    assert_eq!(inspected["active"]["digest"], *digests.last().unwrap());
    assert_eq!(node.get("/x/swapped/").await.expect_text(200), says);

    // A version that gave way before it was optimised comes back optimised.
    node.post("/v1/plugins/swapped/rollback", json!({ "to": digests[0] })).await.expect(200);
    assert_eq!(node.code("swapped").await, "optimised");
    assert_eq!(node.get("/x/swapped/").await.expect_text(200), versions[0].1);
    node.stop().await;
}

#[tokio::test]
async fn a_pending_version_is_optimised_while_it_waits() {
    let node = Setup::new().start().await;
    let pending = node.put_plugin("fetcher", &guest("fetcher")).await.expect(202);
    assert_eq!(node.get("/v1/plugins/fetcher").await.expect(200)["active"], Value::Null);
    let digest = pending["digest"].as_str().unwrap();
    wait_until("the pending version is optimised", async || is_kept(node.data(), digest)).await;
    node.grant("fetcher").await.expect(200);
    assert_eq!(node.code("fetcher").await, "optimised");

    // Granted before that, it answers at once and is optimised as any other.
    let node = start_again(node).await;
    let second = variant(&with_manifest(&guest("trapper"), &asking("trapper")), 2);
    node.put_plugin("trapper", &second).await.expect(202);
    node.grant("trapper").await.expect(200);
    node.optimised("trapper").await;
    node.stop().await;
}

/// A manifest of a connector that asks for something.
fn asking(name: &str) -> String {
    format!("[plugin]\nname = \"{name}\"\nversion = \"1.0.0\"\nworld = \"connector\"\n[config]\nkeys = [\"region\"]\n")
}

#[tokio::test]
async fn the_same_bytes_again_and_a_deletion_leave_nothing_wrong_behind() {
    let node = Setup::new().start().await;
    node.put_plugin("hello", &guest("hello")).await.expect(201);
    node.put_plugin("hello", &guest("hello")).await.expect(201);
    node.optimised("hello").await;
    node.put_plugin("hello", &guest("hello")).await.expect(201);
    assert_eq!(node.code("hello").await, "optimised", "the same bytes again change nothing");

    // What is deleted before or while it is optimised leaves no code behind.
    let gone = node.deploy("wasi02", &guest("wasi02")).await;
    assert_eq!(node.delete("/v1/plugins/wasi02").await.status, 204);
    node.deploy("hello", &variant(&guest("hello"), 2)).await;
    node.optimised("hello").await;
    let data = node.data().clone();
    node.stop().await;
    assert!(!is_kept(&data, &gone));
}

#[tokio::test]
async fn a_node_that_is_stopped_while_it_optimises_ends_well_and_goes_on_at_its_next_start() {
    let node = Setup::new().start().await;
    let names = ["hello", "wasi02", "wasi03"];
    for name in names {
        node.deploy(name, &guest(name)).await;
    }
    let node = start_again(node).await;
    for name in names {
        assert_eq!(node.code(name).await, "optimised");
        assert_eq!(node.get(&format!("/x/{name}/")).await.status, 200);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_is_killed_before_it_has_optimised_serves_optimised_code_at_its_next_start() {
    if !can_trace().await {
        return;
    }
    // Before each write that the optimising makes, until it makes no more.
    for at in 1.. {
        let switch = KillSwitch::new(KILL_AT);
        let node = Setup::new().under(&switch).start().await;
        let data = node.data().clone();
        let digest = node.deploy("hello", &guest("hello")).await;
        switch.arm(Some(at));
        let was_killed = ended_or_optimised(node, &switch).await;
        assert!(was_killed || is_kept(&data, &digest));

        let node = Setup::new().on(&data).start().await;
        assert_eq!(node.code("hello").await, "optimised", "killed before write {at}");
        assert_eq!(node.get("/x/hello/").await.expect_text(200), "Hello from Sophia!\n");
        assert_eq!(fs::read_dir(data.path().join("tmp")).unwrap().count(), 0, "killed before write {at}");
        node.stop().await;
        if !was_killed {
            assert!(at > 2, "the kills fell into the optimising");
            return;
        }
    }
}

/// Whether the node was killed, rather than that it optimised first.
async fn ended_or_optimised(node: Node, switch: &KillSwitch) -> bool {
    let is_killed = || switch.writes().last().is_some_and(|write| write.was_killed);
    wait_until("the node is killed or has optimised", async || {
        let inspected = node.try_send(node.request(http::Method::GET, "/v1/plugins/hello")).await;
        is_killed() || inspected.is_ok_and(|reply| reply.json()["active"]["code"] == "optimised")
    })
    .await;
    let was_killed = is_killed();
    match was_killed {
        true => drop(node.ended().await),
        false => node.kill().await,
    }
    was_killed
}
