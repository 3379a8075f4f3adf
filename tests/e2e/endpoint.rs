//! Whatever speaks `wasi:http` answers at `/x/…`, whichever language it was written in.

use bytes::Bytes;
use futures::channel::mpsc;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use sophia_standins::{Answer, Authority, Site, Tls};
use sophia_tests::{Setup, guest, page_items, with_manifest};

#[tokio::test]
async fn hello_answers_and_refuses_like_any_http_server() {
    let node = Setup::new().start().await;
    node.deploy("hello", &guest("hello")).await;
    assert_eq!(node.get("/x/hello").await.expect_text(200), "Hello from Sophia!\n");
    assert_eq!(node.get("/x/hello/?name=x").await.expect_text(200), "Hello from Sophia!\n");
    let json = json!({"a": [1, 2.5, "ä"]});
    assert_eq!(node.post("/x/hello/", json.clone()).await.expect(200), json);
    assert_eq!(node.get("/x/hello/nothing").await.status, 404);
    let wrong = node.delete("/x/hello/").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET, HEAD, POST"));
    let head = node.send(node.request(Method::HEAD, "/x/hello/")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    node.stop().await;
}

#[tokio::test]
async fn a_body_streams_through_a_guest_piece_by_piece() {
    let node = Setup::new().start().await;
    for (name, path) in [("hello", "/x/hello/stream"), ("wasi02", "/x/wasi02/"), ("wasi03", "/x/wasi03/")] {
        node.deploy(name, &guest(name)).await;
        let (pieces, body) = mpsc::unbounded::<Result<Bytes, std::io::Error>>();
        pieces.unbounded_send(Ok(Bytes::from("first "))).unwrap();
        let request = node.request(Method::POST, path).body(Body::wrap_stream(body));
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        // The answer to the first piece is here while the second is not yet sent.
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "first ", "{name}");
        pieces.unbounded_send(Ok(Bytes::from("second"))).unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "second", "{name}");
        drop(pieces);
        assert_eq!(answer.chunk().await.unwrap(), None, "{name}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_large_body_comes_back_whole() {
    let node = Setup::new().start().await;
    let body: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(3_500_000).collect();
    for (name, path) in [("hello", "/x/hello/stream"), ("wasi02", "/x/wasi02/"), ("wasi03", "/x/wasi03/")] {
        node.deploy(name, &guest(name)).await;
        let answer = node.send(node.request(Method::POST, path).body(body.clone())).await;
        assert_eq!(answer.status, 200, "{name}");
        assert!(answer.body == body, "{name}: {} bytes came back", answer.body.len());
    }
    node.stop().await;
}

#[tokio::test]
async fn components_in_python_javascript_and_rust_answer() {
    let node = Setup::new().start().await;
    for (name, says) in [
        ("py-hello", "hello from Python"),
        ("js-hello", "hello from JavaScript"),
        ("wasi02", "hello from Rust on WASI 0.2"),
        ("wasi03", "hello from Rust on WASI 0.3"),
    ] {
        node.deploy(name, &guest(name)).await;
        let answer = node.get(&format!("/x/{name}/")).await.expect_text(200);
        assert!(answer.starts_with(says), "{name}: {answer}");
        let json = json!({"name": name});
        assert_eq!(node.post(&format!("/x/{name}/"), json.clone()).await.expect(200), json);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_connector_in_javascript_reads_acts_and_is_authenticated() {
    const SECRET: &str = "a-secret-that-javascript-never-sees";
    let authority = Authority::new().unwrap();
    let tls = Tls::On(authority.server_config("numbers.example").unwrap().into());
    let site = Site::start(tls, |_| async { Answer::Whole(http::Response::new(Bytes::from("one"))) }).await.unwrap();
    let setup = Setup::new().connect_to("numbers.example:443", site.address()).trusting(&authority.pem());
    let node = setup.start().await;
    node.deploy("js-connector", &guest("js-connector")).await;
    node.put_secret("numbers", SECRET, &["https://numbers.example/*"]).await.expect(200);
    let bound = json!({"numbers": "numbers"});
    node.connect("js-connector", "main", json!({"greeting": "hi", "private": "no"}), bound).await.expect(200);

    node.check("js-connector/main").await.expect(200);
    let mut numbers = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = node.read("js-connector/main", "numbers", &cursor, 100).await.expect(200);
        numbers.extend(page_items(&page).iter().map(|item| item["n"].as_u64().unwrap()));
        cursor = page["next"].clone();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(numbers, (1..=250).collect::<Vec<u64>>());

    let echoed = node.act("js-connector/main", "echo", json!({"a": 1})).await.expect(200);
    assert_eq!(echoed, json!({"a": 1, "greeting": "hi"}));
    for action in ["send", "fetch"] {
        let came =
            node.act("js-connector/main", action, json!({"url": "https://numbers.example/one"})).await.expect(200);
        assert_eq!((&came["status"], &came["body"]), (&json!(200), &json!("one")), "{action}");
        let sent = site.seen().pop().unwrap();
        assert_eq!(sent.header("authorization"), Some(format!("Bearer {SECRET}").as_str()), "{action}");
    }
    let elsewhere = json!({"url": "https://evil.example/"});
    node.act("js-connector/main", "send", elsewhere).await.problem(403, "plugin-denied");
    let logs = node.get("/v1/plugins/js-connector/logs").await.expect(200);
    assert_eq!(logs["lines"][0]["message"], "checked");
    node.stop().await;
}

#[tokio::test]
async fn an_endpoint_needs_a_key_unless_it_was_granted_to_be_public() {
    let node = Setup::new().start().await;
    let public =
        "[plugin]\nname = \"hello\"\nversion = \"1.0.0\"\nworld = \"endpoint\"\n[endpoint]\naccess = \"public\"\n";
    node.deploy("hello", &guest("hello")).await;
    let nobody = node.with_key(None);
    nobody.get("/x/hello/").await.problem(401, "key-missing");
    let pending = node.put_plugin("hello", &with_manifest(&guest("hello"), public)).await.expect(202);
    assert_eq!(pending["ungranted"], json!(["access public"]));
    nobody.get("/x/hello/").await.problem(401, "key-missing");
    node.grant("hello").await.expect(200);
    assert_eq!(nobody.get("/x/hello/").await.status, 200);
    node.stop().await;
}
