//! Each kind of bad input has its own problem, which names the step and what to do, and nothing
//! is changed by it.

use std::path::Path;

use reqwest::{Body, Method};
use serde_json::{Value, json};
use sophia_tests::{Caller, Node, Setup, guest, variant, with_manifest, without_manifest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Everything that a caller can see of a node's state, and the files behind it.
async fn state(node: &Node) -> Value {
    let mut state = json!({});
    for path in [
        "/v1/plugins",
        "/v1/plugins/fetcher",
        "/v1/plugins/fetcher/versions",
        "/v1/plugins/fetcher/grants",
        "/v1/connections",
        "/v1/secrets",
        "/config",
    ] {
        state[path] = node.get(path).await.expect(200);
    }
    let mut files = Vec::new();
    list(&node.data().path(), &mut files);
    state["files"] = json!(files);
    state
}

/// The files below, without the database's own.
fn list(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.path().display().to_string();
        match entry.file_type().unwrap().is_dir() {
            true => list(&entry.path(), files),
            false if name.contains("sophia.db") => {}
            false => files.push(name),
        }
    }
    files.sort();
}

async fn node(setup: Setup) -> Node {
    let node = setup.start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    node.deploy("hello", &guest("hello")).await;
    node.put_secret("token", "kept-and-safe", &["https://api.hubapi.com/*"]).await.expect(200);
    node.connect("fetcher", "main", json!({}), json!({"token": "token"})).await.expect(200);
    node
}

/// A core module that imports Extism's kernel: one type, one import.
fn extism() -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    wasm.extend(b"\x01\x05\x01\x60\0\x01\x7e");
    wasm.extend(b"\x02\x20\x01\x0fextism:host/env\x0cinput_length\0\0");
    wasm
}

fn manifest(rest: &str) -> Vec<u8> {
    with_manifest(&guest("hello"), &format!("[plugin]\nname = \"hello\"\nversion = \"1.0.0\"\n{rest}"))
}

#[tokio::test]
async fn uploads_that_cannot_be_are_refused_at_their_step() {
    let node = node(Setup::new().set(&["uploads", "max"], "1MiB")).await;
    let before = state(&node).await;
    let hello = guest("hello");
    let core = b"\0asm\x01\0\0\0".to_vec();
    let component = b"\0asm\x0d\0\x01\0".to_vec();
    for (what, wasm, status, kind, step) in [
        ("nothing", Vec::new(), 422, "not-wasm", "validate"),
        ("text", b"hello".to_vec(), 422, "not-wasm", "validate"),
        ("a core module", core, 422, "core-module", "validate"),
        ("an Extism plugin", extism(), 422, "extism-not-yet", "validate"),
        ("a component that does nothing", component, 422, "unknown-world", "world"),
        ("half a component", hello[..hello.len() / 2].to_vec(), 422, "truncated-wasm", "validate"),
        ("noise in a component", [&hello[..], &[0x7f, 1, 0]].concat(), 422, "invalid-component", "compile"),
        ("more than the operator takes", variant(&vec![0; 2 << 20], 1), 413, "upload-too-large", "receive"),
        ("an unknown field", manifest("world = \"endpoint\"\ncolour = \"red\"\n"), 422, "invalid-manifest", "manifest"),
        ("an unknown section", manifest("world = \"endpoint\"\n[rights]\n"), 422, "invalid-manifest", "manifest"),
        ("no TOML", manifest("world = \"endpoint\n"), 422, "invalid-manifest", "manifest"),
        ("another world", manifest("world = \"policy\"\n"), 422, "manifest-mismatch", "manifest"),
    ] {
        let problem = node.put_plugin("hello", &wasm).await.problem_at(step, status, kind);
        assert_eq!(problem["blame"] == "caller", step == "receive", "{what}: {problem}");
        assert_eq!(state(&node).await, before, "{what} changed something");
    }
    // Bounded while it comes in, too, where its length was not announced.
    let pieces = futures::stream::iter((0..32).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 64 << 10])));
    let unannounced = node.request(Method::PUT, "/v1/plugins/hello").body(Body::wrap_stream(pieces));
    node.send(unannounced).await.problem_at("receive", 413, "upload-too-large");
    let other = node.put_plugin("goodbye", &hello).await.problem_at("manifest", 422, "manifest-mismatch");
    assert!(other["detail"].as_str().unwrap().contains("/v1/plugins/hello"), "{other}");
    let twice = [without_manifest(&hello), with_manifest(&hello, "a = 1")[without_manifest(&hello).len()..].to_vec()];
    let two = with_two_manifests(&twice);
    node.put_plugin("hello", &two).await.problem_at("manifest", 422, "two-manifests");
    assert_eq!(state(&node).await, before);
    node.stop().await;
}

/// A component and a manifest section, with the section twice.
fn with_two_manifests([bare, section]: &[Vec<u8>; 2]) -> Vec<u8> {
    [&bare[..], section, section].concat()
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let node = node(Setup::new()).await;
    let before = state(&node).await;
    let hello = guest("hello");
    let address = node.base().strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /v1/plugins/hello HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        node.key().unwrap(),
        hello.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&hello[..hello.len() / 2]).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.is_empty() || answer.contains("/problems/upload-interrupted"), "{answer}");
    assert_eq!(state(&node).await, before);
    node.stop().await;
}

#[tokio::test]
async fn names_that_could_be_paths_are_refused() {
    let node = node(Setup::new()).await;
    let before = state(&node).await;
    for name in ["..%2Fetc", "a%2Fb", "..", ".", "A", "a.b", "-a", "a%00b", "%2e%2e", "x%20y", &"a".repeat(64)] {
        // Not through a URL type, which would resolve the dots.
        let (status, body) = raw(&node, "PUT", &format!("/v1/plugins/{name}"), &guest("hello")).await;
        assert!(matches!(status, 400 | 404 | 405), "{name}: {status} {body}");
        assert!(body["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")), "{name}: {body}");
        let step = if status == 400 { "request" } else { "route" };
        assert_eq!(body["step"], step, "{name}: {body}");
    }
    let named = node.put_plugin("a%2Fb", &guest("hello")).await.problem_at("request", 400, "invalid-name");
    assert!(named["detail"].as_str().unwrap().contains("is no name"), "{named}");
    node.connect("fetcher", "a%2Fb", json!({}), json!({})).await.problem_at("request", 400, "invalid-name");
    node.put_secret("..%2Ftoken", "long enough", &[]).await.problem_at("request", 400, "invalid-name");
    assert_eq!(state(&node).await, before);
    node.stop().await;
}

/// Sends a path exactly as written.
async fn raw(node: &Caller, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let address = node.base().strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        node.key().unwrap(),
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // A refusal may come before the body was taken.
    let _sent = connection.write_all(body).await.is_ok();
    let mut answer = Vec::new();
    let _read = connection.read_to_end(&mut answer).await.is_ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn what_does_not_exist_is_said_to() {
    let node = node(Setup::new()).await;
    let before = state(&node).await;
    node.get("/v1/plugins/nobody").await.problem_at("lookup", 404, "unknown-plugin");
    node.post("/v1/plugins/nobody/rollback", json!({})).await.problem_at("lookup", 404, "unknown-plugin");
    node.get("/v1/plugins/nobody/grants").await.problem_at("lookup", 404, "unknown-plugin");
    node.get("/x/nobody/").await.problem_at("lookup", 404, "unknown-plugin");
    node.post("/v1/policies/nobody/ask", json!({})).await.problem_at("lookup", 404, "unknown-plugin");
    node.check("nobody/main").await.problem_at("lookup", 404, "unknown-plugin");
    node.check("hello/main").await.problem_at("lookup", 404, "other-world");
    node.connect("nobody", "main", json!({}), json!({})).await.problem_at("lookup", 404, "unknown-plugin");
    node.check("fetcher/nobody").await.problem_at("lookup", 404, "unknown-connection");
    node.delete("/v1/connections/fetcher/nobody").await.problem_at("lookup", 404, "unknown-connection");
    let stream =
        node.read("fetcher/main", "nothing", &Value::Null, 10).await.problem_at("lookup", 404, "unknown-stream");
    assert!(stream["detail"].as_str().unwrap().contains("offers"), "{stream}");
    let action = node.act("fetcher/main", "dance", json!({})).await.problem_at("lookup", 404, "unknown-action");
    assert!(action["detail"].as_str().unwrap().contains("fetch"), "{action}");
    let credential = node.connect("fetcher", "main", json!({}), json!({"toke": "token"})).await;
    assert!(
        credential.problem_at("connection", 422, "unknown-credential")["detail"].as_str().unwrap().contains("token")
    );
    node.delete("/v1/secrets/nothing").await.problem_at("lookup", 404, "unknown-secret");
    let ask = json!({"only": ["egress GET https://evil.example/*"]});
    node.post("/v1/plugins/fetcher/grants", ask).await.problem_at("grant", 422, "unknown-ask");
    node.post("/v1/plugins/hello/rollback", json!({})).await.problem_at("lookup", 409, "nothing-to-roll-back-to");
    assert_eq!(state(&node).await, before);
    node.stop().await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let node = node(Setup::new()).await;
    node.deploy("cost-aware", &guest("cost-aware")).await;
    let before = state(&node).await;
    for (method, path) in [
        (Method::POST, "/v1/connectors/fetcher/main/actions/fetch"),
        (Method::POST, "/v1/connectors/fetcher/main/read"),
        (Method::PUT, "/v1/connections/fetcher/main"),
        (Method::PUT, "/v1/secrets/token"),
        (Method::POST, "/v1/plugins/fetcher/grants"),
        (Method::POST, "/v1/plugins/hello/rollback"),
        (Method::POST, "/v1/policies/cost-aware/ask"),
    ] {
        for body in ["{", "\u{feff}{}", "nothing", "'a'", "[1,]", "{} {}", "{\"value\": 1,}", "{\"a\": }"] {
            let reply = node.send(node.request(method.clone(), path).body(body)).await;
            let problem = reply.problem_at("request", 400, "malformed-json");
            assert_eq!(problem["blame"], "caller", "{path} {body}");
        }
    }
    for (path, body) in [
        ("/v1/secrets/token", json!({"value": "long enough", "scope": [], "colour": "red"})),
        ("/v1/secrets/token", json!({"value": "long enough", "scope": ["ftp://api.hubapi.com/*"]})),
        ("/v1/secrets/token", json!({"value": 7})),
        ("/v1/secrets/token", json!({"value": "short"})),
        ("/v1/connections/fetcher/main", json!({"config": {"a": 1}})),
        ("/v1/connections/fetcher/main", json!({"credentials": {"token": "../x"}})),
        ("/v1/connections/fetcher/main", json!([{}, {"token": "token"}])),
        ("/v1/secrets/token", json!("long enough")),
    ] {
        node.put(path, body).await.problem_at("request", 422, "wrong-shape");
    }
    let none = json!({"stream": "nothing", "limit": 0});
    node.post("/v1/connectors/fetcher/main/read", json!({"stream": 1})).await.problem_at("request", 422, "wrong-shape");
    node.post("/v1/connectors/fetcher/main/read", none).await.problem_at("lookup", 404, "unknown-stream");
    node.get("/v1/plugins/fetcher/logs?lines=many").await.problem_at("request", 400, "invalid-query");
    assert_eq!(state(&node).await, before);
    node.stop().await;
}

#[tokio::test]
async fn a_host_that_was_not_granted_is_refused() {
    let node = node(Setup::new()).await;
    let before = state(&node).await;
    for url in ["https://evil.example/", "https://other.example/not-granted/x", "http://api.hubapi.com/crm/v3/owners"] {
        let problem =
            node.act("fetcher/main", "fetch", json!({ "url": url })).await.problem_at("right", 403, "plugin-denied");
        assert_eq!(problem["blame"], "caller", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(url) && detail.contains("is not allowed: "), "{problem}");
    }
    assert_eq!(state(&node).await, before);
    node.stop().await;
}

#[tokio::test]
async fn nobody_gets_in_without_the_key() {
    let node = node(Setup::new()).await;
    let before = state(&node).await;
    let requests = || {
        [
            (Method::GET, "/v1/plugins"),
            (Method::PUT, "/v1/plugins/hello"),
            (Method::DELETE, "/v1/plugins/hello"),
            (Method::POST, "/v1/plugins/fetcher/grants"),
            (Method::GET, "/v1/plugins/fetcher/logs"),
            (Method::GET, "/v1/secrets"),
            (Method::PUT, "/v1/secrets/token"),
            (Method::DELETE, "/v1/connections/fetcher/main"),
            (Method::POST, "/v1/connectors/fetcher/main/check"),
            (Method::POST, "/v1/connectors/fetcher/main/actions/fetch"),
            (Method::POST, "/v1/policies/any/ask"),
            (Method::GET, "/x/hello/"),
            (Method::GET, "/x/nobody/"),
        ]
    };
    let nobody = node.with_key(None);
    let wrong = node.with_key(Some("sophia_op_another-key-that-is-as-long-as-the-right"));
    for (method, path) in requests() {
        nobody.send(nobody.request(method.clone(), path)).await.problem_at("identify", 401, "key-missing");
        wrong.send(wrong.request(method.clone(), path)).await.problem_at("identify", 401, "key-wrong");
        let basic = nobody.request(method.clone(), path).basic_auth("operator", node.key());
        nobody.send(basic).await.problem_at("identify", 401, "key-malformed");
    }
    assert_eq!(state(&node).await, before);
    node.stop().await;
}

#[tokio::test]
async fn heads_that_cannot_be_read_are_refused() {
    let node = Setup::new().start().await;
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let good = "GET /live HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut ids = Vec::new();
    for (head, status, kind) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "malformed-head"),
        ("\u{16}\u{3}\u{1} no TLS here\r\n\r\n".to_owned(), 400, "malformed-head"),
        ("GET /live HTTP/3.0\r\n\r\n".to_owned(), 400, "malformed-head"),
        ("GET /live HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), 400, "malformed-head"),
        ("POST /live HTTP/1.1\r\ncontent-length: -1\r\n\r\n".to_owned(), 400, "malformed-head"),
        ("POST /live HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(), 400, "malformed-head"),
        (format!("GET /live HTTP/1.1\r\n{many}\r\n"), 431, "head-too-large"),
        (format!("GET /live HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(200_000)), 431, "head-too-large"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000)), 431, "head-too-large"),
    ] {
        for before in [0, 1, 3] {
            let answers = exchange(&node, &format!("{}{head}", good.repeat(before))).await;
            let what = format!("{:.40?} after {before}: {answers}", head);
            assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), before, "{what}");
            let last = &answers[answers.rfind("HTTP/1.1 ").unwrap()..];
            let (head, body) = last.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}");
            let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
            assert_eq!(header("content-type:"), "application/problem+json", "{what}");
            assert_eq!(header("connection:"), "close", "{what}");
            assert!(!header("date:").is_empty() && !header("x-sophia-overhead-us:").is_empty(), "{what}");
            let problem: Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["type"], format!("/problems/{kind}"), "{what}");
            assert_eq!((&problem["step"], &problem["blame"]), (&json!("head"), &json!("caller")), "{what}");
            assert_eq!(problem["request_id"], header("x-request-id:"), "{what}");
            ids.push(header("x-request-id:").to_owned());
        }
    }
    let log = node.stop_and_log().await;
    for id in ids {
        assert!(log.contains(&format!("request_id={id}")), "no line for {id} in {log}");
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let node = Setup::new().start().await;
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let answer = exchange(&node, &format!("GET /live HTTP/1.1\r\n{hosts}connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("/problems/malformed-head"), "{answer}");
    }
    let answer = exchange(&node, "GET /live HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    node.stop().await;
}

/// Sends text, and answers what comes until the node closes.
async fn exchange(node: &Caller, text: &str) -> String {
    let mut connection = TcpStream::connect(node.base().strip_prefix("http://").unwrap()).await.unwrap();
    let (mut reading, mut writing) = connection.split();
    let mut answers = Vec::new();
    // A node that refuses does not read to the end of what is sent.
    let (_written, read) = tokio::join!(writing.write_all(text.as_bytes()), reading.read_to_end(&mut answers));
    read.unwrap();
    String::from_utf8(answers).unwrap()
}

#[tokio::test]
async fn a_guest_cannot_write_what_looks_like_a_refusal() {
    let node = Setup::new().start().await;
    node.deploy("hello", &guest("hello")).await;
    let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let answer = node.send(node.request(Method::POST, "/x/hello/stream").body(refusal)).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, refusal));
    node.stop().await;
}
