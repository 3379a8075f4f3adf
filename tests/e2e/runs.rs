//! Runs of patterns: what is answered, kept, shown and paid, whatever the pattern does.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sophia_tests::{Caller, Node, Reply, Setup, guest, with_manifest};

use crate::upstream::{COST, Mood, Upstream};

const START: &str = "/v1/swarms/swarm/runs";

pub(crate) async fn node(upstream: &Upstream) -> Node {
    node_of(Setup::new(), upstream).await
}

async fn node_of(setup: Setup, upstream: &Upstream) -> Node {
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

async fn run(node: &Caller, arguments: Value) -> (Vec<Value>, Value) {
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

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

fn assert_numbered(events: &[Value], from: u64) {
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (from..from + numbers.len() as u64).collect::<Vec<_>>());
}

async fn assert_no_run_budget(node: &Caller) {
    assert_eq!(node.get("/v1/budgets").await.expect(200)["budgets"], json!([]), "a run's budget is left");
}

fn micros(amount: &Value) -> u64 {
    amount["micro_usd"].as_u64().unwrap()
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
async fn whatever_a_pattern_does_its_record_is_closed_with_fault_and_blame() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    for (arguments, fault, blame, cost) in [
        (json!({"do": "trap"}), json!("trap"), "plugin", COST),
        (json!({"do": "spin"}), json!("limit-cpu"), "plugin", 0),
        (json!({"do": "nonsense"}), json!("contract"), "plugin", 0),
        (json!({"do": "certain"}), json!("contract"), "plugin", 0),
        (json!({"do": "own-error"}), Value::Null, "caller", 0),
        (json!({"do": "broke"}), Value::Null, "caller", 0),
        (json!({"do": "tools"}), Value::Null, "host", 0),
    ] {
        let (events, record) = run(&node, arguments.clone()).await;
        let failure = &record["failure"];
        assert_eq!((&record["status"], &failure["fault"]), (&json!("failed"), &fault), "{arguments}: {record}");
        assert_eq!(failure["blame"], blame, "{arguments}: {record}");
        assert!(failure["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert_eq!(micros(&record["spent"]["cost"]), cost, "{arguments}");
        assert!(kinds(&events).ends_with(&["error", "swarm_end"]), "{events:?}");
        assert_numbered(&events, 1);
        assert_no_run_budget(&node).await;
    }
    let (_, broke) = run(&node, json!({"do": "broke"})).await;
    assert_eq!(broke["failure"]["error"], json!({"exhausted": "agent"}));
    let (_, forged) = run(&node, json!({"do": "forge"})).await;
    assert_eq!(forged["outcome"]["content"], json!([true, true, true]));
    node.stop().await;
}

#[tokio::test]
async fn a_run_that_never_ends_meets_its_wall_time_and_holds_nothing_after() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    let manifest = include_str!("../guests/rust/swarm/plugin.toml").replace("wall = \"3s\"", "wall = \"300ms\"");
    node.deploy("swarm", &with_manifest(&guest("swarm"), &manifest)).await;
    node.put("/v1/budgets/tenant", json!({"limit": "$5"})).await.expect(200);
    upstream.feels(Mood::Hang);
    let (_, record) = run(&node, json!({"do": "wait"})).await;
    assert_eq!((&record["status"], &record["failure"]["fault"]), (&json!("failed"), &json!("limit-wall")), "{record}");
    crate::upstream::assert_nothing_held(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_run_is_cancelled_once_and_releases_what_it_held() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    node.put("/v1/budgets/tenant", json!({"limit": "$5"})).await.expect(200);
    upstream.feels(Mood::Hang);
    let id = begin(&node, json!({"do": "wait"})).await;
    wait_for_chats(&upstream, 1).await;
    let listed = node.get("/v1/runs?status=running&pattern=swarm").await.expect(200);
    assert_eq!(listed["runs"][0]["id"], *id);
    let cancel = format!("/v1/runs/{id}/cancel");
    let (first, second) = tokio::join!(node.post(&cancel, json!({})), node.post(&cancel, json!({})));
    for reply in [first, second, node.post(&cancel, json!({})).await] {
        assert_eq!(reply.expect(200)["status"], "cancelled");
    }
    crate::upstream::assert_nothing_held(&node).await;
    let (events, _) = finish(&node, &id).await;
    assert_eq!(events.last().unwrap()["data"]["status"], "cancelled");
    assert_eq!(node.get("/v1/budgets").await.expect(200)["budgets"].as_array().unwrap().len(), 1);
    upstream.feels(Mood::Well);
    let (_, ended) = run(&node, json!({"do": "agents"})).await;
    let ended = format!("/v1/runs/{}/cancel", ended["id"].as_str().unwrap());
    node.post(&ended, json!({})).await.problem_at("call", 409, "run-ended");
    node.post("/v1/runs/run-of-nobody/cancel", json!({})).await.problem_at("lookup", 404, "unknown-run");
    node.stop().await;
}

pub(crate) async fn wait_for_chats(upstream: &Upstream, n: usize) {
    while upstream.chats().len() < n {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
async fn a_budget_ends_what_would_exceed_it() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    let body = json!({"arguments": {"do": "agents"}, "budget": "$0.000010"});
    let run = node.post(START, body).await.expect(202);
    let (_, record) = finish(&node, run["id"].as_str().unwrap()).await;
    assert_eq!(record["failure"]["error"], json!({"exhausted": "run"}), "{record}");
    assert_eq!(micros(&record["spent"]["cost"]), 0);
    assert!(upstream.chats().is_empty());
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
async fn a_killed_node_closes_its_runs_at_the_next_start() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    node.put("/v1/budgets/tenant", json!({"limit": "$5"})).await.expect(200);
    let (_, before) = run(&node, json!({"do": "agents"})).await;
    upstream.forget();
    let id = begin(&node, json!({"do": "emit", "n": 3})).await;
    finish(&node, &id).await;
    upstream.feels(Mood::Hang);
    let id = begin(&node, json!({"do": "wait"})).await;
    wait_for_chats(&upstream, 1).await;
    let data = node.data().clone();
    node.kill().await;

    let node = Setup::new().on(&data).upstream(&upstream.config("here")).start().await;
    let (events, record) = finish(&node, &id).await;
    assert_eq!((&record["status"], &record["failure"]["fault"]), (&json!("failed"), &json!("interrupted")), "{record}");
    assert_eq!(record["failure"]["blame"], "host");
    assert!(micros(&record["spent"]["unreconciled"]) > 0, "what it held is seen: {record}");
    assert!(kinds(&events).ends_with(&["error", "swarm_end"]), "{events:?}");
    assert_numbered(&events, 1);
    let budgets = node.get("/v1/budgets").await.expect(200);
    let [tenant] = budgets["budgets"].as_array().unwrap().as_slice() else { panic!("{budgets}") };
    assert_eq!(micros(&tenant["spent"]), 2 * COST, "the charges of the run before are there");
    assert!(micros(&tenant["unreconciled"]) > 0, "{tenant}");
    let kept = node.get(&format!("/v1/runs/{}", before["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(kept, before);
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_lets_runs_end_and_cuts_off_what_does_not() {
    let upstream = Upstream::start().await;
    let setup = Setup::new().set(&["http", "drain"], "1s");
    let node = node_of(setup, &upstream).await;
    upstream.feels(Mood::Hang);
    let id = begin(&node, json!({"do": "wait"})).await;
    wait_for_chats(&upstream, 1).await;
    let data = node.data().clone();
    node.stop().await;
    let node = Setup::new().on(&data).upstream(&upstream.config("here")).start().await;
    let record = node.get(&format!("/v1/runs/{id}")).await.expect(200);
    assert_eq!(record["failure"]["fault"], "interrupted", "{record}");
    assert_eq!(micros(&record["spent"]["unreconciled"]), 0, "it was closed in order");
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

#[tokio::test]
async fn the_command_line_runs_shows_and_cancels() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    let text = |output: &std::process::Output| String::from_utf8(output.stdout.clone()).unwrap();
    let ran = node.cli(&["swarm", "run", "swarm", "--arguments", r#"{"do": "agents"}"#]).await;
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let outcome: Value = serde_json::from_str(&text(&ran)).unwrap();
    assert_eq!(outcome["said"].as_array().unwrap().len(), 2, "in a pipe it is the outcome and nothing else");
    assert!(ran.stderr.is_empty(), "and quiet beside it: {ran:?}");

    let trapped = node.cli(&["swarm", "run", "swarm", "--arguments", r#"{"do": "trap"}"#]).await;
    assert_eq!(trapped.status.code(), Some(1));
    let said = String::from_utf8(trapped.stderr.clone()).unwrap();
    assert!(said.contains("blame: plugin, fault: trap") && said.contains("sophia debug timeline run-"), "{said}");
    let wrong = node.cli(&["swarm", "run", "swarm", "--arguments", "{"]).await;
    assert_eq!(wrong.status.code(), Some(2));

    upstream.feels(Mood::Hang);
    let left = node.cli(&["swarm", "run", "swarm", "--arguments", r#"{"do": "wait"}"#, "--no-wait"]).await;
    let id = text(&left).trim().to_owned();
    let cancelled = node.cli_json(&["swarm", "cancel", &id], 0).await;
    assert_eq!(cancelled["status"], "cancelled");
    let list = text(&node.cli(&["swarm", "list", "--status", "cancelled"]).await);
    assert!(list.contains(&id) && list.lines().count() == 2, "{list}");
    let shown = text(&node.cli(&["swarm", "show", &id]).await);
    assert!(shown.contains(" cancelled in ") && shown.contains("blame: caller"), "{shown}");

    let all = node.get("/v1/runs").await.expect(200);
    let first = all["runs"][2]["id"].as_str().unwrap();
    for follow in [&[][..], &["--follow"]] {
        let timeline = text(&node.cli(&[&["debug", "timeline", first][..], follow].concat()).await);
        for part in
            ["  0.000 s  swarm_start", "    agent_start  optimist (0.0)", "cost_update  sceptic (0.1)", "swarm_end"]
        {
            assert!(timeline.contains(part), "{part} in {timeline}");
        }
    }
    let json = node.cli_json(&["debug", "timeline", first], 0).await;
    assert_eq!(json["summary"]["events"], json["events"].as_array().unwrap().len());
    assert_eq!(node.cli(&["debug", "timeline", "run-of-nobody"]).await.status.code(), Some(1));
    node.stop().await;
}

#[tokio::test]
async fn ctrl_c_cancels_the_run_that_is_waited_for() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    upstream.feels(Mood::Hang);
    let mut command = node.command(sophia_tests::sophia());
    command.args(["swarm", "run", "swarm", "--arguments", r#"{"do": "wait"}"#]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_for_chats(&upstream, 1).await;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("the run was cancelled"));
    let runs = node.get("/v1/runs").await.expect(200);
    assert_eq!(runs["runs"][0]["status"], "cancelled");
    node.stop().await;
}
