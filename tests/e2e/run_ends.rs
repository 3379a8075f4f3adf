//! However a run ends: its record is closed, its budget taken back, nothing stays held.

use serde_json::{Value, json};
use sophia_tests::{Setup, guest, with_manifest};

use crate::{
    runs::{
        START, assert_no_run_budget, assert_numbered, begin, finish, kinds, micros, node, node_of, run, wait_for_chats,
    },
    upstream::{COST, Mood, Upstream},
};

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
        (json!({"do": "other-class"}), Value::Null, "caller", 0),
        (json!({"do": "other-model"}), Value::Null, "caller", 0),
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
    for thing in ["other-class", "other-model"] {
        let (_, denied) = run(&node, json!({ "do": thing })).await;
        let reason = denied["failure"]["error"]["denied"].as_str();
        assert_eq!(reason, Some("the class `quality` was not asked for, or not granted"), "{denied}");
    }
    let chats = upstream.chats().len();
    let (_, many) = run(&node, json!({"do": "many"})).await;
    let all = json!(vec![true; 65]);
    assert_eq!(many["outcome"]["content"], json!({"requests": all, "agents": all}), "{many}");
    assert_eq!(upstream.chats().len(), chats, "nothing was asked");
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
