//! Whatever an upstream does: the caller is told, nothing stays held, and the charge is right.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use sophia_tests::{Node, Setup};

use crate::{
    models::{events, refused},
    upstream::{Charged, Mood, OUTPUT, PROMPT, Upstream, assert_nothing_held, charged, chat},
};

/// With a budget, so that what is held can be seen.
async fn node(upstream: &Upstream) -> Node {
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    node.put("/v1/budgets/tenant", json!({"limit": "$1"})).await.expect(200);
    node
}

/// Both ways of asking, each at a node of its own, and what was charged after.
async fn check(mood: Mood, status: u16, code: &str, billed: Charged) {
    for is_streamed in [false, true] {
        let upstream = Upstream::start().await;
        let node = node(&upstream).await;
        upstream.feels(mood);
        let reply = node.post("/v1/chat/completions", chat(is_streamed)).await;
        refused(&reply, status, code);
        assert_nothing_held(&node).await;
        assert_eq!(charged(&node).await, billed, "{mood:?} streamed: {is_streamed}");
        node.stop().await;
    }
}

const NOTHING: Charged = Charged { input: 0, output: 0, cost: 0, estimated: 0 };

#[tokio::test]
async fn a_refusal_of_the_upstream_costs_nothing() {
    check(Mood::Status(500), 502, "upstream_failed", NOTHING).await;
    check(Mood::Status(429), 429, "rate_limit_exceeded", NOTHING).await;
}

#[tokio::test]
async fn a_broken_connection_costs_nothing() {
    check(Mood::Reset, 502, "upstream_failed", NOTHING).await;
}

#[tokio::test]
async fn a_hanging_upstream_is_given_up() {
    check(Mood::Hang, 504, "upstream_timed_out", NOTHING).await;
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_told_apart() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = crate::upstream::config("gone", &format!("http://{address}/v1"));
    let node = Setup::new().upstream(&config).start().await;
    node.put("/v1/budgets/tenant", json!({"limit": "$1"})).await.expect(200);
    let reply = node.post("/v1/chat/completions", chat(false)).await;
    refused(&reply, 503, "upstream_down");
    assert_eq!(reply.header("retry-after"), "5");
    assert_nothing_held(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn half_an_answer_is_none_and_half_a_stream_is_billed_as_delivered() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    upstream.feels(Mood::Half);
    refused(&node.post("/v1/chat/completions", chat(false)).await, 502, "upstream_failed");
    assert_eq!(charged(&node).await, NOTHING);
    let reply = node.post("/v1/chat/completions", chat(true)).await;
    let events = events(&reply);
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "upstream_failed", "{events:?}");
    assert!(!reply.text().contains("[DONE]"));
    assert_nothing_held(&node).await;
    let billed = charged(&node).await;
    assert_eq!(billed.input, PROMPT);
    assert!((1..=OUTPUT).contains(&billed.output), "{billed:?}");
    assert_eq!((billed.cost, billed.estimated), (PROMPT + 2 * billed.output, billed.cost));
    node.stop().await;
}

#[tokio::test]
async fn usage_that_cannot_be_is_brought_within_what_was_held() {
    for is_streamed in [false, true] {
        let upstream = Upstream::start().await;
        let node = node(&upstream).await;
        upstream.feels(Mood::ImpossibleUsage);
        assert_eq!(node.post("/v1/chat/completions", chat(is_streamed)).await.status, 200);
        assert_nothing_held(&node).await;
        let billed = charged(&node).await;
        assert_eq!(billed.estimated, billed.cost, "{billed:?}");
        assert!(billed.input == PROMPT && billed.output <= 100, "{billed:?}");
        node.stop().await;
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_is_an_event_and_no_done_follows() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    upstream.feels(Mood::ErrorInStream);
    let reply = node.post("/v1/chat/completions", chat(true)).await;
    let events = events(&reply);
    let [first, error] = events.as_slice() else { panic!("{events:?}") };
    assert!(first.contains("t0 "), "{first}");
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["type"]), (&json!("upstream_failed"), &json!("server_error")));
    assert!(!error.to_string().contains("out of memory"), "an upstream's own words stay here");
    assert_nothing_held(&node).await;
    assert_eq!(charged(&node).await, Charged { input: PROMPT, output: 1, cost: PROMPT + 2, estimated: PROMPT + 2 });
    refused(&node.post("/v1/chat/completions", chat(false)).await, 502, "upstream_failed");
    let log = node.stop_and_log().await;
    assert!(log.contains(" failure=upstream_failed "), "{log}");
}

#[tokio::test]
async fn a_caller_that_leaves_a_stream_pays_for_what_came() {
    let worker = sophia_tests::Worker::start().await;
    let config = format!(
        r#"
        name = "worker"
        url = "{}/v1"
        kind = "worker"
        tokenizer = true
        model = [{{ id = "smollm2-135m-instruct", classes = ["fast"], context_tokens = 4096, price = {{ input = "$1", output = "$2" }} }}]
        "#,
        worker.url()
    );
    let node = Setup::new().upstream(&config).start().await;
    node.put("/v1/budgets/tenant", json!({"limit": "$1"})).await.expect(200);
    let mut body = chat(true);
    body["messages"][0]["content"] = json!("Tell me a long story about the sea.");
    body["max_tokens"] = json!(1_000);
    let asked = node.request(Method::POST, "/v1/chat/completions").json(&body);
    let mut stream = asked.send().await.unwrap().bytes_stream();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    let began = std::time::Instant::now();
    assert_nothing_held(&node).await;
    assert!(began.elapsed() < Duration::from_secs(30));
    let billed = charged(&node).await;
    assert!(billed.input > 0 && (1..500).contains(&billed.output), "{billed:?}");
    assert_eq!(billed.cost, billed.input + 2 * billed.output);
    let log = node.stop_and_log().await;
    assert!(log.contains(" failure=cancelled "), "{log}");
}
