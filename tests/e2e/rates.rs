//! Limits of tenants and keys: each is hit by real calls, told truly, and nobody else's business.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sophia_tests::{Caller, Node, Reply, Setup, guest};

use crate::{
    models::refused,
    runs::{START, begin, finish, node_of},
    upstream::{Mood, Upstream, chat},
};

/// Longer than anything here takes on a busy machine, so that only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(30);

async fn key(node: &Node, name: &str) -> Caller {
    let made = node.post("/v1/keys", json!({ "name": name, "role": "member" })).await.expect(201);
    node.with_key(Some(made["key"].as_str().unwrap()))
}

async fn limit(node: &Node, path: &str, limits: &[&str]) -> Value {
    node.put(&format!("/v1/limits/{path}"), json!({ "limits": limits })).await.expect(200)
}

/// The one limit of a key, as it stands.
async fn use_of(node: &Node, path: &str) -> Value {
    node.get(&format!("/v1/limits/{path}")).await.expect(200)["limits"][0].clone()
}

/// The three usual headers: limit, remaining, reset.
fn told(reply: &Reply) -> [u64; 3] {
    let number =
        |name: &str| reply.header(name).parse().unwrap_or_else(|e| panic!("{name}: {e} in {:?}", reply.headers));
    [number("x-ratelimit-limit"), number("x-ratelimit-remaining"), number("x-ratelimit-reset")]
}

#[track_caller]
fn assert_unlimited(reply: &Reply) {
    let headers = reply.headers.keys().map(|name| name.as_str()).filter(|name| name.contains("ratelimit"));
    assert_eq!(headers.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A refusal by a limit of a key, complete and with the same in its headers; gives `Retry-After`.
#[track_caller]
fn limited(reply: &Reply, limit: &str) -> u64 {
    let problem = reply.problem_at("admission", 429, "limit-reached");
    let reached = &problem["limit"];
    assert_eq!((&reached["limit"], &reached["scope"]), (&json!(limit), &json!("key")), "{problem}");
    let seconds: u64 = reply.header("retry-after").parse().unwrap();
    assert_eq!((&problem["retry_after"], &reached["retry_after"]), (&json!(seconds), &json!(seconds)));
    assert_eq!(told(reply)[1..], [reached["left"].as_u64().unwrap(), seconds]);
    seconds
}

fn small_chat() -> Value {
    let mut body = chat(false);
    body["max_tokens"] = json!(5);
    body
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "it never comes true");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_are_limited_by_key_whatever_a_client_says_of_itself() {
    let node = Setup::new().start().await;
    node.deploy("hello", &guest("hello")).await;
    let (ci, web) = (key(&node, "ci").await, key(&node, "web").await);
    assert_unlimited(&ci.get("/x/hello/").await);
    limit(&node, "keys/ci", &["plugins.requests=3/h"]).await;
    for left in [2, 1, 0] {
        let reply = ci.get("/x/hello/").await;
        assert_eq!((reply.status, told(&reply)[..2].to_vec()), (200, vec![3, left]));
        assert_eq!(reply.header("ratelimit-policy"), r#""key-plugins-requests";q=3;w=3600"#);
        assert!(reply.header("ratelimit").starts_with(&format!(r#""key-plugins-requests";r={left};t="#)));
    }
    let wait = limited(&ci.get("/x/hello/").await, "plugins.requests=3/1h");
    assert!((3_590..=3_600).contains(&wait), "{wait}");
    // Another address, another agent, another path: the same key.
    for (name, value) in [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.8"), ("user-agent", "other")]
    {
        let disguised = ci.request(reqwest::Method::GET, "/x/hello/another?path").header(name, value);
        limited(&ci.send(disguised).await, "plugins.requests=3/1h");
    }
    // Neither other routes nor other keys have a part in it.
    assert_unlimited(&ci.get("/v1/plugins").await);
    let other = web.get("/x/hello/").await;
    assert_eq!(other.status, 200);
    assert_unlimited(&other);
    let used = use_of(&node, "keys/ci").await;
    assert_eq!((&used["used"], &used["left"], &used["held"]), (&json!(3), &json!(0), &json!(0)));

    until(async || {
        let page = node.get("/metrics").await.expect_text(200);
        page.contains("sophia_limit_refused_total{kind=\"requests\"} 4\n")
            && page.contains("sophia_limit_used_total{kind=\"requests\"} 3\n")
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn after_the_time_that_it_was_told_a_retry_succeeds_and_no_window_holds_more() {
    let node = Setup::new().start().await;
    let ci = key(&node, "ci").await;
    limit(&node, "keys/ci", &["control.requests=2/2s"]).await;
    let mut began = Vec::new();
    let mut wait: Option<(Instant, u64)> = None;
    while began.len() < 5 {
        let asked = Instant::now();
        let reply = ci.get("/v1/plugins").await;
        if reply.status == 200 {
            began.push((asked, Instant::now()));
            wait = None;
            continue;
        }
        let seconds = limited(&reply, "control.requests=2/2s");
        assert!((1..=2).contains(&seconds), "{seconds}");
        let (told_at, seconds) = *wait.get_or_insert((Instant::now(), seconds));
        assert!(asked < told_at + Duration::from_secs(seconds), "told to wait {seconds} s, and refused after them");
    }
    for three in began.windows(3) {
        let [(first, _), _, (_, third)] = three else { panic!("three") };
        assert!(*third - *first >= Duration::from_secs(2), "three within two seconds");
    }
    node.stop().await;
}

#[tokio::test]
async fn calls_at_once_are_limited_and_a_place_comes_back_when_its_caller_goes() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    let ci = key(&node, "ci").await;
    limit(&node, "keys/ci", &["models.concurrent=1"]).await;
    upstream.feels(Mood::Hang);
    let hanging = tokio::spawn({
        let ci = ci.clone();
        async move { ci.post("/v1/chat/completions", chat(false)).await }
    });
    until(async || upstream.chats().len() == 1).await;
    assert_eq!(use_of(&node, "keys/ci").await["held"], 1);
    let reply = ci.post("/v1/chat/completions", chat(false)).await;
    let refusal = refused(&reply, 429, "rate_limit_exceeded");
    assert!(refusal["error"]["message"].as_str().unwrap().contains("key `ci` is limited to models.concurrent=1"));
    assert_eq!((told(&reply), reply.header("retry-after")), ([1, 0, 1], "1"));
    assert_eq!(refusal["error"]["type"], "requests");
    // The operator's key has places of its own.
    upstream.feels(Mood::Well);
    node.post("/v1/chat/completions", chat(false)).await.expect(200);

    hanging.abort();
    until(async || use_of(&node, "keys/ci").await["held"] == 0).await;
    let reply = ci.post("/v1/chat/completions", chat(true)).await;
    assert_eq!((reply.status, told(&reply)), (200, [1, 0, 0]));
    until(async || use_of(&node, "keys/ci").await["held"] == 0).await;
    node.stop().await;
}

#[tokio::test]
async fn a_run_holds_its_place_until_it_ends() {
    let upstream = Upstream::start().await;
    let node = node_of(Setup::new(), &upstream).await;
    limit(&node, "keys/operator", &["runs.concurrent=1"]).await;
    upstream.feels(Mood::Hang);
    let id = begin(&node, json!({"do": "agents"})).await;
    assert_eq!(use_of(&node, "keys/operator").await["held"], 1);
    limited(&node.post(START, json!({ "arguments": {"do": "agents"} })).await, "runs.concurrent=1");
    upstream.feels(Mood::Well);
    finish(&node, &id).await;
    until(async || use_of(&node, "keys/operator").await["held"] == 0).await;
    finish(&node, &begin(&node, json!({"do": "agents"})).await).await;
    node.stop().await;
}

#[tokio::test]
async fn tokens_are_held_before_a_chat_and_settled_after_it_also_those_of_a_run() {
    let upstream = Upstream::start().await;
    let node = node_of(Setup::new(), &upstream).await;
    limit(&node, "keys/operator", &["tokens=400/h"]).await;
    let reply = node.post("/v1/chat/completions", small_chat()).await;
    reply.expect(200);
    assert_eq!(told(&reply)[..2], [400, 400 - 14], "what is billed, and not what was held");
    finish(&node, &begin(&node, json!({"do": "agents"})).await).await;
    assert_eq!(use_of(&node, "keys/operator").await["used"], 14 * 3, "an agent's tokens are its key's");

    // A chat that fails is not counted; nor one that a limit refuses, by any of its limits.
    upstream.feels(Mood::Status(500));
    assert_eq!(node.post("/v1/chat/completions", chat(false)).await.status, 502);
    upstream.feels(Mood::Well);
    limit(&node, "keys/operator", &["tokens=60/h", "requests=1000/h"]).await;
    upstream.forget();
    let reply = node.post("/v1/chat/completions", chat(false)).await;
    let refusal = refused(&reply, 429, "rate_limit_exceeded");
    assert_eq!((&refusal["error"]["type"], told(&reply)[..2].to_vec()), (&json!("tokens"), vec![60, 60 - 42]));
    assert_eq!((upstream.chats().len(), reply.header("retry-after")), (0, ""), "more than it ever allows");
    let message = refusal["error"]["message"].as_str().unwrap();
    assert!(message.contains("it is never that much"), "{message}");
    let both = node.get("/v1/limits/keys/operator").await.expect(200);
    assert_eq!((&both["limits"][0]["used"], &both["limits"][1]["used"]), (&json!(42), &json!(0)), "{both}");

    limit(&node, "keys/operator", &["tokens=150/h"]).await;
    let reply = node.post("/v1/chat/completions", chat(false)).await;
    refused(&reply, 429, "rate_limit_exceeded");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((3_000..=3_600).contains(&wait), "{wait}");
    node.stop().await;
}

#[tokio::test]
async fn money_is_limited_in_a_time_and_a_restart_does_not_forget_it() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    limit(&node, "tenant", &["cost=$0.0001/day"]).await;
    let mut n_answered = 0;
    let reply = loop {
        let reply = node.post("/v1/chat/completions", small_chat()).await;
        if reply.status != 200 {
            break reply;
        }
        n_answered += 1;
        assert_eq!(told(&reply)[..2], [100, 100 - 17 * n_answered]);
        assert_eq!(reply.header("ratelimit-policy"), r#""tenant-cost-micro-usd";q=100;w=86400"#);
    };
    let refusal = refused(&reply, 429, "rate_limit_exceeded");
    let message = refusal["error"]["message"].as_str().unwrap();
    assert!(message.contains("tenant `main` is limited to cost=$0.000100/24h: $0.0000"), "{message}");
    assert!((3..=5).contains(&n_answered), "{n_answered}");
    assert_eq!(use_of(&node, "tenant").await["used"], 17 * n_answered);

    let data = node.data().clone();
    node.stop().await;
    let node = Setup::new().on(&data).upstream(&upstream.config("here")).start().await;
    assert_eq!(use_of(&node, "tenant").await["used"], 17 * n_answered);
    refused(&node.post("/v1/chat/completions", small_chat()).await, 429, "rate_limit_exceeded");
    assert_eq!(node.delete("/v1/limits/tenant").await.status, 204);
    assert_unlimited(&node.post("/v1/chat/completions", small_chat()).await);
    node.stop().await;
}

#[tokio::test]
async fn defaults_hold_for_every_key_until_something_is_set_and_limits_can_always_be_taken_back() {
    let defaults = toml::Value::from(vec!["control.requests=2/h"]);
    let node = Setup::new().set(&["quotas", "key"], defaults).start().await;
    let ci = key(&node, "ci").await;
    assert_eq!(told(&ci.get("/v1/plugins").await)[..2], [2, 1]);
    ci.get("/v1/plugins").await.expect(200);
    limited(&ci.get("/v1/plugins").await, "control.requests=2/1h");
    // The operator's one request made the key; one more, and it can do nothing but change limits.
    node.get("/v1/plugins").await.expect(200);
    limited(&node.get("/v1/plugins").await, "control.requests=2/1h");
    let list = node.get("/v1/limits").await;
    assert_unlimited(&list);
    let list = list.expect(200);
    let names: Vec<&str> = list["limits"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ci", "operator"]);
    assert_eq!(list["limits"][0]["limits"][0]["is_default"], true);

    let set = limit(&node, "keys/ci", &["control.requests=3/h"]).await;
    assert_eq!((&set["limits"][0]["used"], &set["limits"][0]["is_default"]), (&json!(2), &json!(false)));
    ci.get("/v1/plugins").await.expect(200);
    limited(&ci.get("/v1/plugins").await, "control.requests=3/1h");
    node.delete("/v1/limits/tenant").await.problem_at("lookup", 404, "unknown-limit");
    node.get("/v1/limits/tenant").await.problem(404, "unknown-limit");
    node.get("/live").await.expect(200);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_limit_is_refused_and_nothing_is_set() {
    let node = Setup::new().start().await;
    let wrong = [
        json!([]),
        json!(["requests=0/m"]),
        json!(["requests=60"]),
        json!(["everything=1/m"]),
        json!(["models.cost=$5/day"]),
        json!(["requests=60/m", "requests=61/60s"]),
        json!((1..=17).map(|s| format!("requests=9/{s}s")).collect::<Vec<_>>()),
    ];
    for limits in wrong {
        let reply = node.put("/v1/limits/keys/ci", json!({ "limits": limits })).await;
        reply.problem_at("request", 422, "wrong-limits");
    }
    assert_eq!(node.put("/v1/limits/keys/ci", json!({ "limits": "requests=1/m" })).await.status, 422);
    node.get("/v1/limits/keys/ci").await.problem(404, "unknown-limit");
    let member = key(&node, "member").await;
    let refused = member.put("/v1/limits/keys/member", json!({ "limits": ["requests=9/s"] })).await;
    refused.problem_at("right", 403, "permission-missing");
    node.stop().await;
}

#[tokio::test]
async fn the_command_line_sets_shows_and_takes_back() {
    let node = Setup::new().start().await;
    let set = ["limit", "set", "key", "ci", "requests=60/min", "concurrent=10", "tokens=100k/h", "cost=$5/day"];
    let answer = node.cli_json(&set, 0).await;
    assert_eq!((&answer["scope"], &answer["name"]), (&json!("key"), &json!("ci")));
    let limits: Vec<&str> =
        answer["limits"].as_array().unwrap().iter().map(|one| one["limit"].as_str().unwrap()).collect();
    assert_eq!(limits, ["requests=60/1m", "concurrent=10", "tokens=100000/1h", "cost=$5.000000/24h"]);
    node.cli_json(&["limit", "set", "tenant", "requests=6000/min"], 0).await;
    node.get("/v1/plugins").await.expect(200);
    let list = String::from_utf8(node.cli(&["limit", "list"]).await.stdout).unwrap();
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["OF", "LIMIT", "USED"]);
    assert!(
        lines.iter().any(|line| line.starts_with(&["tenant", "main", "requests=6000/1m", "1", "0", "5999"])),
        "{list}"
    );
    assert!(lines.iter().any(|line| line.starts_with(&["key", "ci", "cost=$5.000000/24h", "$0.000000"])), "{list}");
    assert_eq!(node.cli(&["limit", "clear", "key", "ci"]).await.status.code(), Some(0));
    assert_eq!(node.cli(&["limit", "clear", "key", "ci"]).await.status.code(), Some(1));
    assert_eq!(node.cli(&["limit", "set", "key", "ci", "requests=many"]).await.status.code(), Some(2));
    assert_eq!(node.cli(&["limit", "set", "key", "ci"]).await.status.code(), Some(2));
    let help = String::from_utf8(node.cli(&["limit", "set", "--help"]).await.stdout).unwrap();
    assert!(
        help.contains("sophia limit set key ci requests=60/min concurrent=10 tokens=100k/h cost='$5/day'"),
        "{help}"
    );
    node.stop().await;
}
