//! Budgets and costs: what operators set and see.

use serde_json::{Value, json};
use sophia_tests::Setup;

use crate::{
    models::refused,
    upstream::{COST, Upstream, chat},
};

#[tokio::test]
async fn a_budget_is_set_spent_and_taken_back() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    node.get("/v1/budgets/tenant").await.problem_at("lookup", 404, "unknown-budget");
    node.delete("/v1/budgets/keys/operator").await.problem(404, "unknown-budget");
    node.put("/v1/budgets/tenant", json!({"limit": "much"})).await.problem_at("request", 422, "wrong-amount");
    node.with_key(None).get("/v1/budgets").await.problem(401, "key-missing");

    let set = node.put("/v1/budgets/tenant", json!({"limit": "$5"})).await.expect(200);
    assert_eq!((&set["scope"], &set["name"]), (&json!("tenant"), &json!("main")));
    assert_eq!(set["left"], json!({"micro_usd": 5_000_000, "usd": "$5.000000"}));
    node.put("/v1/budgets/keys/operator", json!({"limit": "0.001"})).await.expect(200);
    node.put("/v1/budgets/runs/some-run", json!({"limit": "1"})).await.expect(200);
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    let list = node.get("/v1/budgets").await.expect(200);
    let spent: Vec<(&Value, &Value)> =
        list["budgets"].as_array().unwrap().iter().map(|one| (&one["scope"], &one["spent"]["micro_usd"])).collect();
    assert_eq!(spent, [(&json!("tenant"), &json!(COST)), (&json!("key"), &json!(COST)), (&json!("run"), &json!(0))]);

    // What is left of the key's is less than the next call may cost.
    node.put("/v1/budgets/keys/operator", json!({"limit": "$0.0001"})).await.expect(200);
    let exhausted = refused(&node.post("/v1/chat/completions", chat(true)).await, 429, "insufficient_quota");
    assert!(exhausted["error"]["message"].as_str().unwrap().contains("key `operator`"), "{exhausted}");
    assert_eq!(upstream.chats().len(), 1);
    assert_eq!(node.delete("/v1/budgets/keys/operator").await.status, 204);
    node.post("/v1/chat/completions", chat(true)).await.expect_text(200);
    assert_eq!(node.post("/v1/budgets/tenant/release", json!({})).await.expect(200)["released"]["micro_usd"], 0);
    node.stop().await;
}

#[tokio::test]
async fn what_a_killed_node_held_is_released_by_hand() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    node.put("/v1/budgets/tenant", json!({"limit": "$5"})).await.expect(200);
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    let data = node.data().clone();
    node.kill().await;
    let node = Setup::new().on(&data).upstream(&upstream.config("here")).start().await;
    let budget = node.get("/v1/budgets/tenant").await.expect(200);
    let lost = budget["unreconciled"]["micro_usd"].as_u64().unwrap();
    assert!(lost > 0, "{budget}");
    let released = node.cli_json(&["budget", "release"], 0).await;
    assert_eq!(released["released"]["micro_usd"], lost);
    assert_eq!(node.get("/v1/budgets/tenant").await.expect(200)["unreconciled"]["micro_usd"], 0);
    node.stop().await;
}

#[tokio::test]
async fn the_command_line_limits_and_reports() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("here")).start().await;
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    let set = node.cli_json(&["budget", "set", "5", "--of-key", "operator"], 0).await;
    assert_eq!(set["limit"]["usd"], "$5.000000");
    let list = node.cli(&["budget", "list"]).await;
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("key operator  $5.000000  $0.000017"), "{list}");
    let report = node.cli(&["cost", "report", "--by", "key", "--by", "model", "--since", "1h"]).await;
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("KEY / MODEL") && report.contains("operator / smol"), "{report}");
    assert!(report.ends_with("total $0.000017\n"), "{report}");
    let costs = node.cli_json(&["cost", "report", "--by", "plugin", "--run", "none"], 0).await;
    assert_eq!(costs["costs"], json!([]));
    assert_eq!(node.cli(&["budget", "clear", "--of-key", "operator"]).await.status.code(), Some(0));
    let again = node.cli(&["budget", "clear", "--of-key", "operator"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("There is no such budget"));
    assert_eq!(node.cli(&["cost", "report", "--by", "colour"]).await.status.code(), Some(2));
    node.get("/v1/costs?by=colour").await.problem(400, "invalid-query");
    node.get("/v1/costs?since=yesterday").await.problem(400, "invalid-query");
    node.stop().await;
}
