//! The routes of models: what callers get, in OpenAI's shapes, and what it costs.

use reqwest::Method;
use serde_json::{Value, json};
use sophia_tests::{Reply, Setup};

use crate::upstream::{COST, Charged, OUTPUT, PROMPT, Upstream, charged, chat};

/// A refusal in OpenAI's shape, with a request id.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) -> Value {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("x-request-id").len(), 32);
    let answer = reply.json();
    let error = answer["error"].as_object().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(error.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "message", "param", "type"]);
    assert_eq!(error["code"], code, "{answer}");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    answer
}

/// The data of a stream's events.
pub(crate) fn events(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert_eq!(reply.header("cache-control"), "no-cache");
    let text = reply.text();
    let events = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap().to_owned());
    events.collect()
}

#[tokio::test]
async fn a_chat_is_answered_billed_and_written_down() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    let reply = node.post("/v1/chat/completions", chat(false)).await;
    let answer = reply.expect(200);
    assert_eq!((&answer["model"], &answer["choices"][0]["message"]["content"]), (&json!("smol"), &json!("t0 t1 t2 ")));
    assert!(reply.header("x-sophia-overhead-us").parse::<u64>().is_ok());
    let spent = Charged { input: PROMPT, output: OUTPUT, cost: COST, estimated: 0 };
    assert_eq!(charged(&node).await, spent);

    let embedded = node.post("/v1/embeddings", json!({"model": "embed", "input": ["a", "b"]})).await.expect(200);
    assert_eq!((&embedded["model"], embedded["data"].as_array().map(Vec::len)), (&json!("mini"), Some(2)));
    let by_class = node.get("/v1/costs?by=class,model&since=1h").await.expect(200);
    let rows: Vec<(&Value, &Value, &Value)> = by_class["costs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["class"], &row["model"], &row["cost"]["usd"]))
        .collect();
    assert_eq!(
        rows,
        [(&json!("fast"), &json!("smol"), &json!("$0.000017")), (&json!("embed"), &json!("mini"), &json!("$0.000005"))]
    );

    let page = node.get("/metrics").await.expect_text(200);
    let answers = r#"sophia_model_answers_total{model="smol",upstream="here",outcome="ok"} 1"#;
    assert!(page.contains(answers), "{page}");
    let log = node.stop_and_log().await;
    let line = log.lines().find(|line| line.contains("route=models.chat")).unwrap();
    assert!(line.contains(" model=smol upstream=here input_tokens=11 output_tokens=3 cost_micro_usd=17 "), "{line}");
}

#[tokio::test]
async fn a_stream_is_handed_on_and_ends_with_done() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    let mut body = chat(true);
    body["stream_options"] = json!({"include_usage": true});
    let reply = node.post("/v1/chat/completions", body).await;
    let events = events(&reply);
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "t0 t1 t2 ");
    assert!(chunks.iter().all(|chunk| chunk["model"] == "smol"));
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], OUTPUT);
    assert_eq!(charged(&node).await.cost, COST);
    node.stop().await;
}

#[tokio::test]
async fn every_refusal_is_as_openai_writes_it() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).set(&["models", "max_concurrent"], 1).start().await;
    let stranger = node.with_key(None);
    for path in ["/v1/chat/completions", "/v1/embeddings"] {
        let keyless = stranger.post(path, chat(false)).await;
        refused(&keyless, 401, "invalid_api_key");
        assert!(keyless.header("www-authenticate").starts_with("Bearer"));
        let odd = node.get(path).await;
        refused(&odd, 405, "method_not_allowed");
        assert_eq!(odd.header("allow"), "POST");
        refused(
            &node.post(path, json!({"model": "gpt-9", "input": "a", "messages": []})).await,
            400,
            "invalid_request",
        );
        let large = "x".repeat(9 << 20);
        let large = node.send(node.request(Method::POST, path).body(large)).await;
        refused(&large, 413, "body_too_large");
        refused(&node.send(node.request(Method::POST, path).body("{")).await, 400, "invalid_request");
    }
    refused(&stranger.get("/v1/models").await, 401, "invalid_api_key");
    refused(&node.get("/v1/models/gpt-9").await, 404, "model_not_found");
    refused(&node.post("/v1/models", json!({})).await, 405, "method_not_allowed");
    let mut unknown = chat(false);
    unknown["model"] = json!("gpt-9");
    let unknown = refused(&node.post("/v1/chat/completions", unknown).await, 404, "model_not_found");
    assert_eq!(unknown["error"]["param"], "model");
    let bad = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}});
    let mut schema = chat(false);
    schema["response_format"] = bad;
    let schema = refused(&node.post("/v1/chat/completions", schema).await, 400, "invalid_request");
    assert_eq!(schema["error"]["param"], "response_format");
    assert!(upstream.chats().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn what_is_beyond_the_bound_is_asked_to_come_back() {
    let upstream = Upstream::start().await;
    upstream.feels(crate::upstream::Mood::Hang);
    let node = Setup::new().upstream(&upstream.config("here")).set(&["models", "max_concurrent"], 1).start().await;
    let first = tokio::spawn({
        let caller = node.with_key(node.key());
        async move { caller.post("/v1/chat/completions", chat(false)).await }
    });
    let page = |text: &str| text.contains("sophia_model_requests_running 1");
    while !page(&node.get("/metrics").await.text()) {
        tokio::task::yield_now().await;
    }
    let second = node.post("/v1/chat/completions", chat(false)).await;
    refused(&second, 429, "rate_limit_exceeded");
    assert_eq!(second.header("retry-after"), "1");
    // It takes as long as its upstream may, and none of that is the node's own time.
    let first = first.await.unwrap();
    refused(&first, 504, "upstream_timed_out");
    assert!(first.header("x-sophia-overhead-us").parse::<u64>().unwrap() < 1_000_000);
    node.stop().await;
}

#[tokio::test]
async fn lists_and_shows_what_can_be_asked_for() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    let list = node.get("/v1/models").await.expect(200);
    let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(names, ["fast", "embed", "smol", "mini"]);
    let one = node.get("/v1/models/smol").await.expect(200);
    assert_eq!((&one["object"], &one["owned_by"]), (&json!("model"), &json!("here")));
    assert_eq!(node.get("/v1/models/sm%6fl").await.expect(200), one);
    assert_eq!(node.cli_json(&["models", "list"], 0).await, list);

    let config = node.get("/config").await.expect(200);
    let expected = json!([{"name": "here", "kind": "worker", "models": [
        {"name": "smol", "kind": "chat", "classes": ["fast"]},
        {"name": "mini", "kind": "embedding", "classes": ["embed"]},
    ]}]);
    assert_eq!(config["models"]["upstreams"], expected);
    node.stop().await;
}
