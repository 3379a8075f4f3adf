//! OpenAI's own Python package, as it comes, against a node with a real worker behind it; and the
//! worker's vectors against the same weights computed by another path.

use std::path::Path;

use serde_json::{Value, json};
use sophia_tests::{Node, Setup, Worker, openai_python, weights};
use tokio::process::Command;

#[path = "../../worker/tests/worker/reference.rs"]
mod reference;

use reference::Reference;

async fn node(worker: &Worker) -> Node {
    let config = format!(
        r#"
        name = "worker"
        url = "{}/v1"
        kind = "worker"
        tokenizer = true
        [[model]]
        id = "smollm2-135m-instruct"
        classes = ["fast", "quality"]
        context_tokens = 4096
        price = {{ input = "$1", output = "$2" }}
        [[model]]
        id = "all-minilm-l6-v2"
        classes = ["embed"]
        kind = "embedding"
        context_tokens = 256
        price = {{ input = "$1", output = "$2" }}
        "#,
        worker.url()
    );
    Setup::new().upstream(&config).start().await
}

async fn drive(node: &Node, part: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/openai_client.py");
    let mut command = Command::new(openai_python());
    command.arg(script).arg(format!("{}/v1", node.base())).arg(node.key().unwrap()).arg(part);
    let done = command.output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn the_openai_package_works_unmodified() {
    let worker = Worker::start().await;
    let node = node(&worker).await;
    drive(&node, "everything").await;
    let spent = node.get("/v1/costs").await.expect(200)["total"]["micro_usd"].as_u64().unwrap();
    assert!(spent > 0);
    node.put("/v1/budgets/tenant", json!({"limit": "$0.000001"})).await.expect(200);
    drive(&node, "exhausted").await;
    let after = node.get("/v1/costs").await.expect(200)["total"]["micro_usd"].as_u64().unwrap();
    assert_eq!(after, spent);
    assert_eq!(node.get("/v1/budgets/tenant").await.expect(200)["held"]["micro_usd"], 0);
    node.stop().await;
}

const PAIRS: [(&str, &str); 4] = [
    ("How do I reset my password?", "I forgot my login credentials, what now?"),
    ("The cat sleeps on the sofa.", "A kitten is napping on the couch."),
    ("Our revenue grew by a fifth last quarter.", "Sales rose 20% in the previous three months."),
    ("This function divides by zero.", "The divisor in this code can be 0."),
];

#[tokio::test]
async fn vectors_equal_a_computation_by_another_path() {
    let worker = Worker::start().await;
    let node = node(&worker).await;
    let reference = Reference::load(&weights());
    for text in ["Hello.", PAIRS[2].0, "Grüße aus Köln, naïve café — 你好!"] {
        let asked = json!({"model": "all-minilm-l6-v2", "prompt": text});
        let tokens: Value = reqwest::Client::new()
            .post(format!("{}/tokenize", worker.url()))
            .json(&asked)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let ids: Vec<usize> = serde_json::from_value(tokens["tokens"].clone()).unwrap();
        let [vector] = embed(&node, &[text]).await.try_into().unwrap();
        let cosine = cosine(&vector, &reference.embed(&ids));
        assert!(cosine >= 0.9999, "{text}: {cosine}");
    }
    let left = embed(&node, &PAIRS.map(|(left, _)| left)).await;
    let right = embed(&node, &PAIRS.map(|(_, right)| right)).await;
    for (i, one) in left.iter().enumerate() {
        let nearest = (0..right.len()).max_by(|a, b| cosine(one, &right[*a]).total_cmp(&cosine(one, &right[*b])));
        assert_eq!(nearest, Some(i), "{:?}", PAIRS[i]);
    }
    node.stop().await;
}

async fn embed(node: &Node, texts: &[&str]) -> Vec<Vec<f32>> {
    let answer = node.post("/v1/embeddings", json!({"model": "embed", "input": texts})).await.expect(200);
    let data = answer["data"].as_array().unwrap();
    data.iter().map(|one| serde_json::from_value(one["embedding"].clone()).unwrap()).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}
