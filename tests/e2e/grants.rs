//! What a version asks for and was not granted holds it back, and is shown.

use serde_json::{Value, json};
use sophia_tests::{Caller, Setup, guest, with_manifest};

fn manifest(allow: &[&str]) -> String {
    let allow = serde_json::to_string(allow).unwrap();
    format!("[plugin]\nname = \"fetcher\"\nversion = \"0.1.0\"\nworld = \"connector\"\n[egress]\nallow = {allow}\n")
}

fn fetcher(allow: &[&str]) -> Vec<u8> {
    with_manifest(&guest("fetcher"), &manifest(allow))
}

async fn active(node: &Caller) -> Value {
    node.get("/v1/plugins/fetcher").await.expect(200)["active"]["digest"].clone()
}

const READ: &str = "GET https://api.hubapi.com/crm/*";
const WRITE: &str = "POST https://api.hubapi.com/crm/*";

#[tokio::test]
async fn a_version_with_undecided_asks_waits_and_the_old_one_answers() {
    let node = Setup::new().start().await;
    let first = node.put_plugin("fetcher", &fetcher(&[READ])).await.expect(202);
    assert_eq!(first["state"], "pending");
    assert_eq!(first["asks"], json!([format!("egress {READ}")]));
    assert_eq!(first["ungranted"], first["asks"]);
    assert!(first["next"].as_str().unwrap().contains("sophia plugin grant fetcher"));
    node.act("fetcher/main", "fetch", json!({})).await.problem(404, "unknown-plugin");

    let granted = node.grant("fetcher").await.expect(200);
    assert_eq!((&granted["state"], &granted["digest"]), (&json!("live"), &first["digest"]));

    // More asks: the difference is shown, and the first version goes on.
    let second = node.put_plugin("fetcher", &fetcher(&[READ, WRITE])).await.expect(202);
    assert_eq!(second["added"], json!([format!("egress {WRITE}")]));
    assert_eq!(second["ungranted"], second["added"]);
    assert_eq!(active(&node).await, first["digest"]);
    let listed = &node.get("/v1/plugins").await.expect(200)["plugins"][0];
    assert_eq!((&listed["state"], &listed["pending"]), (&json!("live"), &second["digest"]));
    let grants = node.get("/v1/plugins/fetcher/grants").await.expect(200);
    assert_eq!(grants["granted"], json!([format!("egress {READ}")]));
    assert_eq!(grants["undecided"], json!([format!("egress {WRITE}")]));

    node.grant("fetcher").await.expect(200);
    assert_eq!(active(&node).await, second["digest"]);

    // Fewer or narrower asks are covered by what was granted.
    let third = node.put_plugin("fetcher", &fetcher(&["GET https://api.hubapi.com/crm/v3/owners"])).await.expect(201);
    assert_eq!((&third["state"], &third["ungranted"]), (&json!("live"), &json!([])));
    assert_eq!(third["removed"].as_array().unwrap().len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn what_is_declined_is_refused_and_the_version_answers_all_the_same() {
    let node = Setup::new().start().await;
    node.put_plugin("fetcher", &fetcher(&[READ, WRITE])).await.expect(202);
    let only = json!({"only": [format!("egress {READ}")]});
    assert_eq!(node.post("/v1/plugins/fetcher/grants", only).await.expect(200)["state"], "live");
    let grants = node.get("/v1/plugins/fetcher/grants").await.expect(200);
    assert_eq!(grants["declined"], json!([format!("egress {WRITE}")]));
    node.connect("fetcher", "main", json!({}), json!({})).await.expect(200);
    let fetch = json!({"method": "POST", "url": "https://api.hubapi.com/crm/v3/objects/contacts"});
    node.act("fetcher/main", "fetch", fetch).await.problem(403, "plugin-denied");
    node.stop().await;
}

#[tokio::test]
async fn only_what_a_version_asks_for_can_be_granted() {
    let node = Setup::new().start().await;
    node.put_plugin("fetcher", &fetcher(&[READ])).await.expect(202);
    let more = json!({"only": ["egress https://evil.example/*"]});
    node.post("/v1/plugins/fetcher/grants", more).await.problem(422, "unknown-ask");
    assert_eq!(node.get("/v1/plugins/fetcher/grants").await.expect(200)["granted"], json!([]));
    assert_eq!(node.get("/v1/plugins/fetcher").await.expect(200)["state"], "pending");
    node.stop().await;
}

#[tokio::test]
async fn the_cli_shows_what_is_asked_and_grants_it() {
    let node = Setup::new().start().await;
    node.put_plugin("fetcher", &fetcher(&[READ])).await.expect(202);
    let shown = node.cli_json(&["plugin", "grant", "fetcher", "--show"], 0).await;
    assert_eq!(shown["undecided"], json!([format!("egress {READ}")]));
    let granted = node.cli_json(&["plugin", "grant", "fetcher"], 0).await;
    assert_eq!(granted["state"], "live");
    node.stop().await;
}
