//! `kill -9` at a named write of an upload, a grant or the writing of a secret. The node starts
//! clean on what is left, every acknowledged write is there, and the interrupted one is wholly
//! there or wholly not.
//!
//! Twenty kills here; in a soak one at every write, three times over.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use sophia_tests::{Caller, DataDir, KillSwitch, Node, Setup, guest, is_soak};

use crate::kill_at::{KILL_AT, can_trace};

/// Kills of each operation in a test: twenty in all, and one to spare.
const KILLS: usize = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Upload,
    Grant,
    Secret,
}

/// How one kill went.
struct Killed {
    /// Whether a write had been made and the operation was not yet answered.
    was_between: bool,
}

impl Operation {
    /// Brings a node to where the operation can begin. All of it is acknowledged.
    async fn prepare(self, node: &Caller) {
        node.deploy("hello", &guest("hello")).await;
        node.put_secret("kept", "kept-and-safe", &["https://api.hubapi.com/*"]).await.expect(200);
        if self == Self::Grant {
            node.put_plugin("fetcher", &guest("fetcher")).await.expect(202);
        }
    }

    /// Whether the operation was acknowledged.
    async fn perform(self, node: &Caller) -> bool {
        let request = match self {
            Self::Upload => node.request(Method::PUT, "/v1/plugins/trapper").body(guest("trapper")),
            Self::Grant => node.request(Method::POST, "/v1/plugins/fetcher/grants").json(&json!({})),
            Self::Secret => {
                let body = json!({"value": "a new one", "scope": ["https://api.hubapi.com/*"]});
                node.request(Method::PUT, "/v1/secrets/new").json(&body)
            }
        };
        node.try_send(request).await.is_ok_and(|reply| {
            assert!(matches!(reply.status, 200 | 201), "{self:?}: {}", reply.text());
            true
        })
    }

    /// Whether the operation took place. Half of it must not have.
    async fn took_place(self, node: &Caller) -> bool {
        match self {
            Self::Upload => plugin_is_live(node, "trapper", "unknown-plugin").await,
            Self::Grant => {
                let grants = node.get("/v1/plugins/fetcher/grants").await.expect(200);
                let (granted, undecided) = (n(&grants["granted"]), n(&grants["undecided"]));
                let is_live = node.get("/v1/plugins/fetcher").await.expect(200)["state"] == "live";
                assert!(granted == 0 || undecided == 0, "half of the grants: {grants}");
                assert_eq!(is_live, undecided == 0, "{grants}");
                is_live
            }
            Self::Secret => secrets(node).await.contains(&json!("new")),
        }
    }
}

fn n(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

async fn secrets(node: &Caller) -> Vec<Value> {
    let listed = node.get("/v1/secrets").await.expect(200);
    listed["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].clone()).collect()
}

/// A plugin is live and can be called, or it is not known at all.
async fn plugin_is_live(node: &Caller, name: &str, unknown: &str) -> bool {
    let inspected = node.get(&format!("/v1/plugins/{name}")).await;
    if inspected.status == 404 {
        inspected.problem(404, unknown);
        return false;
    }
    assert_eq!(inspected.expect(200)["state"], "live");
    node.connect(name, "main", json!({}), json!({})).await.expect(200);
    node.act(&format!("{name}/main"), "panic", json!({})).await.problem(502, "fault");
    true
}

/// Kills a node before the n-th write of the operation, and looks at what is left.
async fn kill_before(operation: Operation, at: usize, prepared: &Path) -> Killed {
    let data = copy_of(prepared);
    let switch = KillSwitch::new(KILL_AT);
    let node = Setup::new().on(&data).under(&switch).start().await;
    switch.arm(Some(at));
    let was_acknowledged = operation.perform(&node).await;
    let was_killed = switch.writes().last().is_some_and(|write| write.was_killed);
    assert!(was_acknowledged || was_killed, "{operation:?}: no answer, and no kill at write {at}");
    if was_killed {
        node.ended().await;
    } else {
        node.kill().await;
    }

    let node = Setup::new().on(&data).start().await;
    node.get("/ready").await.expect(200);
    assert_eq!(node.get("/x/hello/").await.status, 200, "{operation:?}, write {at}");
    assert!(secrets(&node).await.contains(&json!("kept")), "{operation:?}, write {at}");
    let took_place = operation.took_place(&node).await;
    assert!(took_place || !was_acknowledged, "{operation:?} was acknowledged and is gone (write {at})");
    assert_eq!(left_over(&data), Vec::<String>::new(), "{operation:?}, write {at}");
    assert!(operation.perform(&node).await, "{operation:?} cannot be repeated (write {at})");
    node.stop().await;
    Killed { was_between: was_killed && at > 1 && !was_acknowledged }
}

/// Files that an interrupted upload would have left in the place for unfinished ones.
fn left_over(data: &DataDir) -> Vec<String> {
    let entries = std::fs::read_dir(data.path().join("tmp")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
}

/// How many writes the operation makes, from its first byte to its answer.
async fn writes_of(operation: Operation, prepared: &Path) -> usize {
    let data = copy_of(prepared);
    let switch = KillSwitch::new(KILL_AT);
    let node: Node = Setup::new().on(&data).under(&switch).start().await;
    switch.arm(None);
    assert!(operation.perform(&node).await);
    let writes = switch.writes().len();
    node.kill().await;
    writes
}

fn copy_of(prepared: &Path) -> DataDir {
    let data = DataDir::default();
    let status = std::process::Command::new("cp").arg("-a").arg(prepared).arg(data.path()).status().unwrap();
    assert!(status.success());
    data
}

async fn survives_kills_of(operation: Operation) {
    if !can_trace().await {
        return;
    }
    let node = Setup::new().start().await;
    operation.prepare(&node).await;
    let prepared = node.data().clone();
    node.stop().await;
    let writes = writes_of(operation, &prepared.path()).await;
    assert!(writes > 1, "{operation:?} makes {writes} writes, so nothing lies between");

    let moments: Vec<usize> = if is_soak() {
        (1..=writes).cycle().take(3 * writes).collect()
    } else {
        (0..KILLS).map(|nth| 1 + nth * (writes - 1) / (KILLS - 1)).collect()
    };
    let mut between = 0;
    for at in &moments {
        between += usize::from(kill_before(operation, *at, &prepared.path()).await.was_between);
    }
    println!("{operation:?}: {} kills, {between} between the first and the last of {writes} writes", moments.len());
    assert!(3 * between >= moments.len(), "{operation:?}: only {between} of {} kills fell between", moments.len());
}

#[tokio::test]
async fn an_upload_survives_kill_9() {
    survives_kills_of(Operation::Upload).await;
}

#[tokio::test]
async fn a_grant_survives_kill_9() {
    survives_kills_of(Operation::Grant).await;
}

#[tokio::test]
async fn the_writing_of_a_secret_survives_kill_9() {
    survives_kills_of(Operation::Secret).await;
}
