//! Runs of patterns: what is answered, kept, shown and paid, whatever the pattern does.

use reqwest::Method;
use serde_json::{Value, json};
use sophia_tests::{Caller, Node, Reply, Setup, guest};

use crate::upstream::{COST, Mood, Upstream};

pub(crate) const START: &str = "/v1/swarms/swarm/runs";

pub(crate) async fn node(upstream: &Upstream) -> Node {
    node_of(Setup::new(), upstream).await
}

pub(crate) async fn node_of(setup: Setup, upstream: &Upstream) -> Node {
    let node = setup.upstream(&upstream.config("here")).start().await;
    node.deploy("swarm", &guest("swarm")).await;
    node
}

/// Starts a run, which is accepted, and answers its id.
pub(crate) async fn begin(node: &Caller, arguments: Value) -> String {
    let reply = node.post(START, json!({ "arguments": arguments })).await;
    let run = reply.expect(202);
    let id = run["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), format!("/v1/runs/{id}"));
    id
}

/// Waits for the end of a run by its events, and answers them and its record.
pub(crate) async fn finish(node: &Caller, id: &str) -> (Vec<Value>, Value) {
    let events = events(&node.get(&format!("/v1/runs/{id}/events")).await.expect_text(200));
    (events, node.get(&format!("/v1/runs/{id}")).await.expect(200))
}

pub(crate) async fn run(node: &Caller, arguments: Value) -> (Vec<Value>, Value) {
    let id = begin(node, arguments).await;
    finish(node, &id).await
}

/// What an event stream says; ids and kinds must be those of the events.
fn events(text: &str) -> Vec<Value> {
    let blocks = text.split("\n\n").filter(|block| block.contains("data: "));
    let read = blocks.map(|block| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let event: Value = serde_json::from_str(field("data: ")).unwrap();
        assert_eq!(
            (event["seq"].to_string().as_str(), event["kind"].as_str()),
            (field("id: "), Some(field("event: ")))
        );
        event
    });
    read.collect()
}

pub(crate) fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

pub(crate) fn assert_numbered(events: &[Value], from: u64) {
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (from..from + numbers.len() as u64).collect::<Vec<_>>());
}

pub(crate) async fn assert_no_run_budget(node: &Caller) {
    assert_eq!(node.get("/v1/budgets").await.expect(200)["budgets"], json!([]), "a run's budget is left");
}

pub(crate) fn micros(amount: &Value) -> u64 {
    amount["micro_usd"].as_u64().unwrap()
}

pub(crate) async fn wait_for_chats(upstream: &Upstream, n: usize) {
    while upstream.chats().len() < n {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_run_of_two_agents_is_kept_shown_and_paid_once() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    let (events, record) = run(&node, json!({"do": "agents"})).await;
    assert_eq!(record["status"], "succeeded", "{record}");
    assert_eq!(record["outcome"]["content"]["said"].as_array().unwrap().len(), 2);
    assert_eq!(record["outcome"]["confidence"], 0.75);
    assert_eq!(record["outcome"]["content"]["left"], 1_000_000 - 2 * COST, "a dollar, unless it is said otherwise");
    assert_eq!((micros(&record["spent"]["cost"]), &record["spent"]["calls"]), (2 * COST, &json!(2)));
    assert!(record["duration_ms"].as_f64().unwrap() > 0.0);

    assert_numbered(&events, 1);
    let mut sorted = kinds(&events);
    assert_eq!((sorted[0], sorted[1], sorted.last()), ("swarm_start", "milestone", Some(&"swarm_end")));
    sorted.sort_unstable();
    let expected = ["agent_end", "agent_end", "agent_message", "agent_message", "agent_start", "agent_start"];
    assert_eq!(sorted[..6], expected);
    assert_eq!(sorted[6..], ["cost_update", "cost_update", "milestone", "swarm_end", "swarm_start"]);
    assert!(events.iter().all(|event| event["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:"))));
    let costs = events.iter().filter(|event| !event["cost"].is_null());
    assert_eq!(costs.map(|event| micros(&event["cost"])).sum::<u64>(), 2 * COST, "each cost is counted once");
    let last = events.last().unwrap();
    assert_eq!((&last["data"]["total_micro_usd"], &last["cost"]), (&json!(2 * COST), &Value::Null));
    assert!(last["duration_ms"].as_f64().unwrap() > 0.0);

    let id = record["id"].as_str().unwrap();
    let timeline = node.get(&format!("/v1/runs/{id}/timeline")).await.expect(200);
    let summary = &timeline["summary"];
    assert_eq!((&summary["events"], micros(&summary["cost"])), (&json!(events.len()), 2 * COST));
    let roles = summary["roles"].as_array().unwrap();
    assert_eq!(roles.len(), 2);
    assert!(roles.iter().all(|role| role["messages"] == 1 && micros(&role["cost"]) == COST), "{roles:?}");
    assert_no_run_budget(&node).await;
    let by_run = node.get("/v1/costs?by=run").await.expect(200);
    assert_eq!(by_run["costs"][0]["run"], id, "{by_run}");
    assert_eq!(node.get("/health").await.expect(200)["components"]["runs"]["running"], 0);
    node.stop().await;
}

#[tokio::test]
async fn a_journal_has_every_step_that_a_replay_needs() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    node.connect("swarm", "default", json!({"swarm.greeting": "hello"}), json!({})).await.expect(200);
    let (_, record) = run(&node, json!({"do": "all"})).await;
    assert_eq!(record["status"], "succeeded", "{record}");
    let content = &record["outcome"]["content"];
    assert_eq!(content["greeting"], "hello");
    let id = record["id"].as_str().unwrap();
    let journal = node.get(&format!("/v1/runs/{id}/journal?limit=500")).await.expect(200);
    let steps = journal["steps"].as_array().unwrap();
    let of = |call: &str| steps.iter().filter(|step| step["call"] == call).collect::<Vec<_>>();
    assert_eq!((of("clock.now").len(), of("random.bytes").len(), of("config.get").len()), (1 + 3, 1, 1));
    let completed = of("models.complete");
    assert_eq!(completed.iter().map(|step| step["item"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    for (step, said) in completed.iter().zip(content["several"].as_array().unwrap()) {
        assert_eq!(&step["answer"]["Ok"]["content"], said);
        assert_eq!(step["intent"]["class"], "fast");
        assert_eq!(micros(&step["cost"]), COST);
    }
    let streamed = of("models.open-stream");
    let pieces: Vec<&Value> = streamed.iter().filter(|step| step["k"] != 0).map(|step| &step["answer"]).collect();
    let given: Vec<&Value> = content["pieces"].as_array().unwrap().iter().map(|piece| &piece[0]).collect();
    assert_eq!(pieces, given);
    let unread = streamed.last().unwrap();
    assert_eq!(unread["answer"], json!({"Err": "cancelled"}));
    // In the order of the guest's own calls.
    let numbers: Vec<u64> = steps
        .iter()
        .filter(|step| step["k"] == 0 && step["item"] == 0)
        .map(|step| step["step"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    let first = node.get(&format!("/v1/runs/{id}/journal?limit=2")).await.expect(200);
    let next = first["next"].as_str().unwrap();
    let rest = node.get(&format!("/v1/runs/{id}/journal?limit=500&after={next}")).await.expect(200);
    assert_eq!(rest["steps"].as_array().unwrap().len() + 2, steps.len());
    // What the stream that nobody read cost is part of the timeline's sum.
    let timeline = node.get(&format!("/v1/runs/{id}/timeline")).await.expect(200);
    assert_eq!(timeline["summary"]["cost"], record["spent"]["cost"], "{timeline}");
    assert!(micros(&record["spent"]["cost"]) > 4 * COST);
    assert_no_run_budget(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_is_refused_and_a_named_one_starts_one_run() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    node.deploy("echo", &guest("echo")).await;
    let other = node.post("/v1/swarms/echo/runs", json!({})).await.problem_at("lookup", 404, "other-world");
    assert!(other["detail"].as_str().unwrap().contains("/v1/connectors/echo/"), "{other}");
    let other = node.post("/v1/policies/swarm/ask", json!({})).await.problem_at("lookup", 404, "other-world");
    assert!(other["detail"].as_str().unwrap().contains("POST /v1/swarms/swarm/runs"), "{other}");
    node.post("/v1/swarms/nobody/runs", json!({})).await.problem_at("lookup", 404, "unknown-plugin");
    node.with_key(None).post(START, json!({})).await.problem_at("identify", 401, "key-missing");
    for (body, status, kind) in [
        (json!({"colour": 1}), 422, "wrong-shape"),
        (json!({"budget": "much"}), 422, "invalid-budget"),
        (json!({"budget": "0"}), 422, "invalid-budget"),
        (json!({"budget": "$1000"}), 422, "invalid-budget"),
    ] {
        node.post(START, body).await.problem_at("request", status, kind);
    }
    let large = json!({"arguments": "a".repeat(5 << 20)});
    node.post(START, large).await.problem_at("request", 413, "body-too-large");
    for path in ["/v1/runs?status=odd", "/v1/runs?limit=x", "/v1/runs/x/journal?after=1"] {
        let reply = node.get(path).await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.text());
    }

    let named = |body: Value| {
        let request = node.request(Method::POST, START).header("idempotency-key", "once").json(&body);
        node.send(request)
    };
    let body = json!({"arguments": {"do": "agents"}, "budget": "$0.10"});
    let (one, two): (Reply, Reply) = tokio::join!(named(body.clone()), named(body.clone()));
    let id = one.expect(202)["id"].clone();
    assert_eq!(two.expect(202)["id"], id);
    named(json!({"arguments": {"do": "trap"}})).await.problem_at("lookup", 422, "idempotency-key-reused");
    let (_, record) = finish(&node, id.as_str().unwrap()).await;
    assert_eq!(micros(&record["budget"]), 100_000);
    assert_eq!(named(body).await.expect(202)["status"], "succeeded");
    assert_eq!(upstream.chats().len(), 2, "one run, two agents");
    assert_eq!(node.get("/v1/runs").await.expect(200)["runs"].as_array().unwrap().len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn thousands_of_events_are_read_whole_across_reconnects() {
    const N: u64 = 3_000;
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    let id = begin(&node, json!({"do": "emit", "n": N})).await;
    let path = format!("/v1/runs/{id}/events");
    let (mut read, mut last) = (Vec::new(), 0);
    // Each connection is left after some bytes, wherever that is.
    while kinds(&read).last() != Some(&"swarm_end") {
        let request = node.request(Method::GET, &path).header("last-event-id", last.to_string());
        let mut response = request.send().await.unwrap();
        let mut text = String::new();
        while let Some(bytes) = response.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            if text.len() > 200_000 {
                break;
            }
        }
        let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        read.extend(events(whole));
        last = read.last().map_or(0, |event| event["seq"].as_u64().unwrap());
    }
    assert_numbered(&read, 1);
    assert_eq!(read.len() as u64, N + 2);
    let told: Vec<u64> = read
        .iter()
        .filter(|event| event["by"] == "pattern")
        .map(|event| event["data"]["i"].as_u64().unwrap())
        .collect();
    assert_eq!(told, (0..N).collect::<Vec<_>>());
    let tail = node.get(&format!("{path}?after={N}")).await.expect_text(200);
    assert_numbered(&events(&tail), N + 1);
    let odd = node.request(Method::GET, &path).header("last-event-id", "x");
    node.send(odd).await.problem_at("request", 400, "invalid-event-id");
    node.stop().await;
}

#[tokio::test]
async fn no_more_run_than_may() {
    let upstream = Upstream::start().await;
    let node = node_of(Setup::new().set(&["runs", "max_concurrent"], 1), &upstream).await;
    upstream.feels(Mood::Hang);
    let id = begin(&node, json!({"do": "wait"})).await;
    let busy = node.post(START, json!({"arguments": {"do": "agents"}})).await;
    busy.problem_at("admission", 503, "busy");
    assert_eq!(busy.header("retry-after"), "5");
    node.post(&format!("/v1/runs/{id}/cancel"), json!({})).await.expect(200);
    upstream.feels(Mood::Well);
    begin(&node, json!({"do": "agents"})).await;
    node.stop().await;
}
