use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    reference::Reference,
    world::{EMBEDDING, Worker, models},
};

/// Vectors and the tokens they took.
fn embed(worker: &Worker, input: Value) -> (Vec<Vec<f32>>, u64) {
    let (status, answer) = worker.post("/v1/embeddings", &json!({ "model": EMBEDDING, "input": input }));
    assert_eq!(status, 200, "{answer}");
    let data = answer["data"].as_array().unwrap();
    assert!(data.iter().enumerate().all(|(index, one)| one["index"] == index));
    assert_eq!(answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"]);
    let vectors = data.iter().map(|one| serde_json::from_value(one["embedding"].clone()).unwrap()).collect();
    (vectors, answer["usage"]["total_tokens"].as_u64().unwrap())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

const PAIRS: [(&str, &str); 4] = [
    ("How do I reset my password?", "I forgot my login credentials, what now?"),
    ("The cat sleeps on the sofa.", "A kitten is napping on the couch."),
    ("Our revenue grew by a fifth last quarter.", "Sales rose 20% in the previous three months."),
    ("This function divides by zero.", "The divisor in this code can be 0."),
];

#[test]
fn puts_paraphrases_nearer_than_strangers() {
    let worker = Worker::shared();
    let (left, _) = embed(&worker, json!(PAIRS.map(|(left, _)| left)));
    let (right, _) = embed(&worker, json!(PAIRS.map(|(_, right)| right)));
    for (i, one) in left.iter().enumerate() {
        assert!((cosine(one, one) - 1.0).abs() < 1e-5);
        let nearest = (0..right.len()).max_by(|a, b| cosine(one, &right[*a]).total_cmp(&cosine(one, &right[*b])));
        assert_eq!(nearest, Some(i), "{:?}", PAIRS[i]);
    }
}

#[test]
fn equals_a_computation_by_another_path() {
    let worker = Worker::shared();
    let reference = Reference::load(models());
    for text in ["Hello.", PAIRS[2].0, "Grüße aus Köln, naïve café — 你好!"] {
        let tokens = worker.tokenize(json!({ "model": EMBEDDING, "prompt": text }));
        let ids: Vec<usize> = tokens.iter().map(|id| usize::try_from(*id).unwrap()).collect();
        let (vectors, used) = embed(&worker, json!(text));
        assert_eq!(used, tokens.len() as u64);
        let expected = reference.embed(&ids);
        let cosine = cosine(&vectors[0], &expected);
        assert!(cosine >= 0.9999, "{text}: {cosine}");
        let length: f32 = vectors[0].iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
}

#[test]
fn does_not_depend_on_its_neighbours() {
    let worker = Worker::shared();
    let texts: Vec<String> = (0..70).map(|i| format!("note {i}: {}", "word ".repeat(i * 7 % 90))).collect();
    let (together, used) = embed(&worker, json!(texts));
    let mut alone_used = 0;
    for (text, vector) in texts.iter().zip(&together).step_by(9) {
        let (alone, _) = embed(&worker, json!(text));
        let cosine = cosine(&alone[0], vector);
        assert!(cosine >= 0.9999, "{text}: {cosine}");
    }
    for text in &texts {
        alone_used += worker.tokenize(json!({ "model": EMBEDDING, "prompt": text })).len() as u64;
    }
    assert_eq!(used, alone_used);
}

#[test]
fn takes_tokens_for_texts_and_writes_base64() {
    let worker = Worker::shared();
    let tokens = worker.tokenize(json!({ "model": EMBEDDING, "prompt": "Hello there" }));
    let (of_text, _) = embed(&worker, json!("Hello there"));
    let (of_tokens, _) = embed(&worker, json!(tokens));
    let (of_lists, _) = embed(&worker, json!([tokens, tokens]));
    assert_eq!(of_text, of_tokens);
    assert_eq!(of_lists.len(), 2);
    let body = json!({ "model": EMBEDDING, "input": "Hello there", "encoding_format": "base64" });
    let (_, answer) = worker.post("/v1/embeddings", &body);
    let bytes = STANDARD.decode(answer["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let (numbers, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty());
    assert_eq!(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect::<Vec<_>>(), of_text[0]);
}

#[test]
fn refuses_or_cuts_what_is_too_long() {
    let worker = Worker::shared();
    let long = "word ".repeat(300);
    let mut body = json!({ "model": EMBEDDING, "input": ["short", long] });
    let (status, answer) = worker.post("/v1/embeddings", &body);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("context_length_exceeded")));
    assert_eq!(answer["error"]["param"], "input[1]");
    body["truncate_prompt_tokens"] = json!(-1);
    let (status, answer) = worker.post("/v1/embeddings", &body);
    assert_eq!(status, 200);
    assert_eq!(answer["usage"]["prompt_tokens"], 256 + 3);
    body["truncate_prompt_tokens"] = json!(257);
    assert_eq!(worker.post("/v1/embeddings", &body).0, 400);
}
