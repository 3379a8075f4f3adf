//! Crates that know nothing of the host get its randomness and its clock.

use serde_json::json;
use sophia_tests::{Caller, Setup, guest, variant};

/// Each draws by another line of getrandom.
const CRATES: [&str; 3] = ["rand_core", "ahash", "uuid"];

/// The start of RFC 3339 in UTC, to the second: as far as every writer of it writes alike.
const TO_THE_SECOND: usize = "2025-01-01T00:00:00".len();

/// When the node took a version, by its own clock.
async fn upload(node: &Caller, n: u32) -> String {
    node.deploy("hello", &variant(&guest("hello"), n)).await;
    let versions = node.get("/v1/plugins/hello/versions").await.expect(200);
    versions["versions"][0]["uploaded_at"].as_str().unwrap()[..TO_THE_SECOND].to_owned()
}

#[tokio::test]
async fn what_two_draws_bring_differs() {
    let node = Setup::new().start().await;
    node.deploy("ordinary-crates", &guest("ordinary-crates")).await;
    node.connect("ordinary-crates", "main", json!({}), json!({})).await.expect(200);
    let draw = async || node.act("ordinary-crates/main", "draw", json!({})).await.expect(200);
    let (first, second) = (draw().await, draw().await);
    for name in CRATES {
        assert!(first[name].as_str().is_some_and(|drawn| drawn.len() > 1), "{name} drew nothing: {first}");
        assert_ne!(first[name], second[name], "{name} drew the same twice");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_guests_time_is_the_nodes() {
    let node = Setup::new().start().await;
    node.deploy("ordinary-crates", &guest("ordinary-crates")).await;
    node.connect("ordinary-crates", "main", json!({}), json!({})).await.expect(200);
    let before = upload(&node, 1).await;
    let drawn = node.act("ordinary-crates/main", "draw", json!({})).await.expect(200);
    let after = upload(&node, 2).await;
    let now = &drawn["now"].as_str().unwrap()[..TO_THE_SECOND];
    assert!(before.as_str() <= now && now <= after.as_str(), "{before} ≤ {now} ≤ {after}");
    node.stop().await;
}
