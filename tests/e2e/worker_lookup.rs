//! A worker on the same machine is found by itself in development, and nothing else is taken for
//! one.

use serde_json::json;
use sophia_standins::{Answer, Seen, Site, Tls};
use sophia_tests::{Node, Setup, Worker};

use crate::{models::refused, upstream::chat};

async fn wait_for(node: &Node, n_models: usize) {
    // The harness ends a test that waits for ever.
    while node.get("/v1/models").await.expect(200)["data"].as_array().unwrap().len() != n_models {}
}

#[tokio::test]
async fn a_worker_is_found_lost_and_found_again() {
    let worker = Worker::start().await;
    let address = worker.address().to_owned();
    let node = Setup::new().env("SOPHIA_WORKER_URL", worker.url()).start().await;
    wait_for(&node, 5).await;
    for class in ["fast", "quality"] {
        let mut asked = chat(false);
        asked["model"] = json!(class);
        asked["max_tokens"] = json!(4);
        let answer = node.post("/v1/chat/completions", asked).await.expect(200);
        assert_eq!(answer["model"], "smollm2-135m-instruct");
    }
    let embedded = node.post("/v1/embeddings", json!({"model": "embed", "input": "a"})).await.expect(200);
    assert_eq!(embedded["data"][0]["embedding"].as_array().map(Vec::len), Some(384));
    assert_eq!(node.get("/v1/costs").await.expect(200)["total"]["micro_usd"], 0);

    worker.kill().await;
    refused(&node.post("/v1/chat/completions", chat(false)).await, 503, "upstream_down");
    let _again = Worker::start_on(&address).await;
    let mut asked = chat(false);
    asked["max_tokens"] = json!(4);
    node.post("/v1/chat/completions", asked).await.expect(200);
    let log = node.stop_and_log().await;
    assert!(log.contains("serves the models of a worker"), "{log}");
}

#[tokio::test]
async fn what_is_no_worker_is_not_served() {
    let listing = json!({"data": [{"id": "gpt", "kind": "chat", "max_model_len": 10}]}).to_string();
    let other = Site::start(Tls::Off, move |_: Seen| {
        let listing = listing.clone();
        async move { Answer::Whole(http::Response::new(listing.into())) }
    });
    let other = other.await.unwrap();
    let node = Setup::new().env("SOPHIA_WORKER_URL", &format!("http://{}", other.address())).start().await;
    while other.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(other.seen().iter().all(|seen| seen.uri.path() == "/v1/models"));
    assert_eq!(node.get("/v1/models").await.expect(200)["data"], json!([]));
    refused(&node.post("/v1/chat/completions", chat(false)).await, 404, "model_not_found");
    node.stop().await;
}
