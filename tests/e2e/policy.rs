//! A routing policy is asked directly. `model_policy` has it in the path of requests.

use serde_json::{Value, json};
use sophia_tests::{Setup, guest};

fn candidate(id: &str, health: &str, output_price_micro_usd: u64) -> Value {
    json!({
        "id": id, "model": id, "health": health, "latency_ms": 100, "queue": 0,
        "input_price_micro_usd": output_price_micro_usd / 4, "output_price_micro_usd": output_price_micro_usd,
    })
}

fn question(budget_micro_usd: Option<u64>) -> Value {
    let request = json!({
        "class": "fast", "input_tokens": 1_000, "max_output_tokens": 1_000, "streamed": false,
        "budget_micro_usd": budget_micro_usd,
    });
    let candidates =
        [candidate("dear", "healthy", 8_000_000), candidate("cheap", "healthy", 400_000), candidate("dead", "down", 1)];
    json!({"request": request, "candidates": candidates})
}

#[tokio::test]
async fn the_cheapest_candidate_that_is_up_comes_first() {
    let node = Setup::new().start().await;
    node.deploy("cost-aware", &guest("cost-aware")).await;
    let answer = node.post("/v1/policies/cost-aware/ask", question(None)).await.expect(200);
    let order: Vec<&str> =
        answer["decision"]["order"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(order.first(), Some(&"cheap"), "{answer}");
    assert!(!order.contains(&"dead"), "{answer}");

    let broke = node.post("/v1/policies/cost-aware/ask", question(Some(1))).await.expect(200);
    assert!(broke["decision"]["refuse"].is_string(), "{broke}");
    let asked = node.cli_json(&["policy", "ask", "cost-aware", &question(None).to_string()], 0).await;
    assert_eq!(asked["decision"], answer["decision"]);
    node.stop().await;
}

#[tokio::test]
async fn a_question_of_another_shape_is_refused() {
    let node = Setup::new().start().await;
    node.deploy("cost-aware", &guest("cost-aware")).await;
    node.post("/v1/policies/cost-aware/ask", json!({"request": {}})).await.problem(422, "wrong-shape");
    node.post("/v1/policies/nobody/ask", question(None)).await.problem(404, "unknown-plugin");
    let mut odd = question(None);
    odd["candidates"][0]["health"] = json!("cheerful");
    node.post("/v1/policies/cost-aware/ask", odd).await.problem(422, "wrong-shape");
    node.stop().await;
}
