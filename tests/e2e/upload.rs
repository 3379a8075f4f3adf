//! A file goes up, goes live, gives way to the next, comes back and goes.

use reqwest::Method;
use serde_json::{Value, json};
use sophia_tests::{Setup, guest, variant, with_manifest, without_manifest};

/// The pipeline, in its order.
const STEPS: [&str; 11] = [
    "receive",
    "validate",
    "world",
    "manifest",
    "signature",
    "compile",
    "link",
    "describe",
    "diff",
    "store",
    "activate",
];

const BOUNDARY: &str = "a-line-that-no-component-has";

/// A body of `multipart/form-data` (RFC 7578).
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

#[tokio::test]
async fn a_file_that_asks_for_nothing_is_live_at_once() {
    let node = Setup::new().start().await;
    let answer = node.put_plugin("hello", &guest("hello")).await.expect(201);
    assert_eq!(
        (&answer["name"], &answer["world"], &answer["state"]),
        (&json!("hello"), &json!("endpoint"), &json!("live"))
    );
    assert_eq!(answer["previous"], Value::Null);
    assert!(answer["next"].as_str().unwrap().contains("/x/hello/"));
    let steps: Vec<&str> = answer["steps"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
    assert_eq!(steps, STEPS);
    assert_eq!(node.get("/x/hello/").await.expect_text(200), "Hello from Sophia!\n");
    let inspected = node.get("/v1/plugins/hello").await.expect(200);
    assert_eq!(inspected["active"]["digest"], answer["digest"]);
    assert_eq!(inspected["manifest"]["plugin"]["name"], "hello");
    node.stop().await;
}

#[tokio::test]
async fn curl_uploads_a_file() {
    let node = Setup::new().start().await;
    let output = node
        .command("curl")
        .args(["--silent", "--show-error", "--fail-with-body", "--upload-file", &node.guest_file("hello")])
        .args(["--header", &format!("authorization: Bearer {}", node.key().unwrap())])
        .arg(format!("{}/v1/plugins/hello", node.base()))
        .output()
        .await;
    let Ok(output) = output else {
        println!("SKIPPED: curl is not installed");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["state"], "live");
    assert_eq!(node.get("/x/hello/").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn the_cli_pushes_lists_inspects_rolls_back_and_deletes() {
    let node = Setup::new().start().await;
    let first = node.cli_json(&["plugin", "push", &node.guest_file("hello")], 0).await;
    assert_eq!(first["state"], "live");
    let second = node.put_plugin("hello", &variant(&guest("hello"), 2)).await.expect(201);
    assert_eq!(second["previous"], first["digest"]);

    let listed = node.cli_json(&["plugin", "list"], 0).await;
    assert_eq!(listed["plugins"][0]["digest"], second["digest"]);
    let versions = node.cli_json(&["plugin", "versions", "hello"], 0).await;
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
    let back = node.cli_json(&["plugin", "rollback", "hello"], 0).await;
    assert_eq!((&back["digest"], &back["previous"]), (&first["digest"], &second["digest"]));
    let inspected = node.cli_json(&["plugin", "inspect", "hello"], 0).await;
    assert_eq!(inspected["active"]["digest"], first["digest"]);

    assert_eq!(node.cli(&["plugin", "delete", "hello"]).await.status.code(), Some(0));
    assert_eq!(node.cli(&["plugin", "inspect", "hello"]).await.status.code(), Some(1));
    node.stop().await;
}

#[tokio::test]
async fn the_cli_ends_with_a_code_that_says_why() {
    let node = Setup::new().start().await;
    let fetcher = node.guest_file("fetcher");
    for (arguments, code) in [
        (vec!["plugin", "push", fetcher.as_str()], 4),
        (vec!["plugin", "inspect", "nobody"], 1),
        (vec!["plugin", "dance"], 2),
        (vec!["--server", "http://127.0.0.1:1", "plugin", "list"], 3),
        (vec!["--key", "sophia_op_wrong", "plugin", "list"], 1),
    ] {
        let output = node.cli(&arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_component_without_a_manifest_may_come_with_one_as_a_part() {
    let node = Setup::new().start().await;
    let bare = without_manifest(&guest("hello"));
    let manifest =
        "[plugin]\nname = \"greeter\"\nversion = \"2.0.0\"\nworld = \"endpoint\"\n\n[limits]\nmemory = \"8MiB\"\n";
    let put = async |parts: &[(&str, &[u8])]| {
        let request = node.request(Method::PUT, "/v1/plugins/greeter");
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        node.send(request.header("content-type", kind).body(form(parts))).await
    };
    let manifest = ("manifest", manifest.as_bytes());
    let answer = put(&[("component", bare.as_slice()), manifest]).await.expect(201);
    assert_eq!(answer["version"], "2.0.0");
    let limits = &node.get("/v1/plugins/greeter").await.expect(200)["limits"];
    assert_eq!(limits["memory"], "8MiB");

    // A second manifest would leave open which one is meant.
    let twice = put(&[("component", guest("hello").as_slice()), manifest]).await;
    assert_eq!(twice.problem(422, "manifest-mismatch")["step"], "manifest");
    for wrong in [vec![manifest], vec![("component", bare.as_slice()), ("other", b"".as_slice())]] {
        assert_eq!(put(&wrong).await.problem(400, "wrong-form")["step"], "receive");
    }
    assert_eq!(node.get("/x/greeter/").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn the_same_bytes_again_change_nothing() {
    let node = Setup::new().start().await;
    let first = node.put_plugin("hello", &guest("hello")).await.expect(201);
    let again = node.put_plugin("hello", &guest("hello")).await.expect(201);
    assert_eq!(again["digest"], first["digest"]);
    let versions = node.get("/v1/plugins/hello/versions").await.expect(200);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn rollback_names_a_version_or_means_the_one_before() {
    let node = Setup::new().start().await;
    let mut digests = Vec::new();
    for n in 0..3 {
        digests.push(node.deploy("hello", &variant(&guest("hello"), n)).await);
    }
    let active = async || node.get("/v1/plugins/hello").await.expect(200)["active"]["digest"].clone();
    assert_eq!(active().await, digests[2].as_str());
    node.post("/v1/plugins/hello/rollback", json!({})).await.expect(200);
    assert_eq!(active().await, digests[1].as_str());
    node.post("/v1/plugins/hello/rollback", json!({"to": digests[0]})).await.expect(200);
    assert_eq!(active().await, digests[0].as_str());
    let unknown = format!("sha256:{}", "0".repeat(64));
    node.post("/v1/plugins/hello/rollback", json!({ "to": unknown })).await.problem(404, "unknown-version");
    assert_eq!(active().await, digests[0].as_str());
    assert_eq!(node.get("/x/hello/").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_versions_grants_connections_and_secrets() {
    let node = Setup::new().start().await;
    let hello = node.deploy("hello", &guest("hello")).await;
    let fetcher = node.deploy("fetcher", &guest("fetcher")).await;
    node.put_secret("token", "kept-and-safe", &["https://api.hubapi.com/*"]).await.expect(200);
    node.connect("fetcher", "main", json!({}), json!({"token": "token"})).await.expect(200);
    let data = node.data().clone();
    node.stop().await;

    let node = Setup::new().on(&data).start().await;
    for (name, digest) in [("hello", hello), ("fetcher", fetcher)] {
        let inspected = node.get(&format!("/v1/plugins/{name}")).await.expect(200);
        assert_eq!((&inspected["state"], &inspected["active"]["digest"]), (&json!("live"), &json!(digest)));
    }
    assert_eq!(node.get("/v1/secrets").await.expect(200)["secrets"][0]["name"], "token");
    assert_eq!(node.get("/v1/connections").await.expect(200)["connections"][0]["connector"], "fetcher");
    assert_eq!(node.get("/x/hello/").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_deleted_plugin_is_gone_with_all_that_was_its_own() {
    let node = Setup::new().start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    node.connect("fetcher", "main", json!({}), json!({})).await.expect(200);
    assert_eq!(node.delete("/v1/plugins/fetcher").await.status, 204);
    node.delete("/v1/plugins/fetcher").await.problem(404, "unknown-plugin");
    node.act("fetcher/main", "fetch", json!({})).await.problem(404, "unknown-plugin");
    assert_eq!(node.get("/v1/connections").await.expect(200)["connections"], json!([]));
    // What was granted is gone too: the same file asks again.
    let again = node.put_plugin("fetcher", &guest("fetcher")).await.expect(202);
    assert_eq!(again["state"], "pending");
    node.stop().await;
}

#[tokio::test]
async fn the_operators_caps_bound_what_a_manifest_asks_for() {
    let node = Setup::new().set(&["limits", "memory"], "32MiB").start().await;
    let manifest =
        "[plugin]\nname = \"hello\"\nversion = \"1.0.0\"\nworld = \"endpoint\"\n[limits]\nmemory = \"1GiB\"\n";
    node.deploy("hello", &with_manifest(&guest("hello"), manifest)).await;
    assert_eq!(node.get("/v1/plugins/hello").await.expect(200)["limits"]["memory"], "32MiB");
    assert_eq!(node.get("/x/hello/").await.status, 200);
    node.stop().await;
}
