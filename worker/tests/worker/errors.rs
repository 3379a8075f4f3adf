use serde_json::{Value, json};

use crate::world::{CHAT, EMBEDDING, Worker, chat_body, user};

/// Status, type, param and code of an error, which is in OpenAI's form.
fn told((status, answer): (u16, Value)) -> (u16, String) {
    let error = answer["error"].as_object().unwrap_or_else(|| panic!("no error: {answer}"));
    let mut keys: Vec<&String> = error.keys().collect();
    keys.sort();
    assert_eq!(keys, ["code", "message", "param", "type"]);
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    let word = |key: &str| error[key].as_str().unwrap_or("-").to_owned();
    (status, format!("{} {} {}", word("type"), word("param"), word("code")))
}

#[test]
fn has_openais_form_for_every_error() {
    let worker = Worker::shared();
    let chat = |fields| told(worker.post("/v1/chat/completions", &chat_body(fields)));
    let embed = |body| told(worker.post("/v1/embeddings", &body));
    let told_of = |status, text: &str| (status, text.to_owned());
    assert_eq!(chat(json!({ "model": "gpt-9" })), told_of(404, "invalid_request_error model model_not_found"));
    assert_eq!(chat(json!({ "model": EMBEDDING })), told_of(404, "invalid_request_error model model_not_found"));
    assert_eq!(chat(json!({ "messages": "hi" })), told_of(400, "invalid_request_error messages -"));
    let wrong_content = json!({ "messages": [{ "role": "user", "content": 5 }] });
    assert_eq!(chat(wrong_content), told_of(400, "invalid_request_error messages[0].content -"));
    assert_eq!(chat(json!({ "temperature": "hot" })), told_of(400, "invalid_request_error temperature -"));
    assert_eq!(chat(json!({ "n": 2 })), told_of(400, "invalid_request_error n unsupported_value"));
    let long = json!({ "messages": user(&"word ".repeat(5_000)) });
    assert_eq!(chat(long), told_of(400, "invalid_request_error messages context_length_exceeded"));
    let greedy = json!({ "max_tokens": 4_096 });
    assert_eq!(chat(greedy), told_of(400, "invalid_request_error messages context_length_exceeded"));

    assert_eq!(
        embed(json!({ "model": CHAT, "input": "a" })),
        told_of(404, "invalid_request_error model model_not_found")
    );
    assert_eq!(embed(json!({ "model": EMBEDDING, "input": 5 })), told_of(400, "invalid_request_error input -"));
    assert_eq!(embed(json!({ "model": EMBEDDING, "input": [] })), told_of(400, "invalid_request_error input -"));
    assert_eq!(
        embed(json!({ "model": EMBEDDING, "input": ["a", ""] })),
        told_of(400, "invalid_request_error input[1] -")
    );
    assert_eq!(
        embed(json!({ "model": EMBEDDING, "input": [99999] })),
        told_of(400, "invalid_request_error input[0] -")
    );
    let short = json!({ "model": EMBEDDING, "input": "a", "dimensions": 3 });
    assert_eq!(embed(short), told_of(400, "invalid_request_error dimensions unsupported_value"));

    assert_eq!(told(worker.post("/tokenize", &json!({}))), told_of(400, "invalid_request_error prompt -"));
    assert_eq!(told(worker.get("/v1/nowhere")), told_of(404, "invalid_request_error - unknown_url"));
    assert_eq!(told(worker.get("/tokenize")), told_of(405, "invalid_request_error - method_not_allowed"));
    let no_model = worker.post_text("/v1/chat/completions", "{}");
    assert!(no_model.1["error"]["message"].as_str().unwrap().starts_with("missing field `model`"));
    assert_eq!(told(no_model), told_of(400, "invalid_request_error - -"));
    for no_json in ["", "{", "{}x", "\"\\ud800\""] {
        let (status, text) = told(worker.post_text("/v1/chat/completions", no_json));
        assert_eq!((status, text.as_str().split(' ').next()), (400, Some("invalid_request_error")), "{no_json}");
    }
}

#[test]
fn refuses_a_body_that_is_too_large() {
    let worker = Worker::shared();
    let body = json!({ "prompt": "a ".repeat(1_100_000) });
    assert_eq!(told(worker.post("/tokenize", &body)), (413, "invalid_request_error - request_too_large".to_owned()));
}

#[test]
fn ignores_fields_that_it_does_not_know() {
    let worker = Worker::shared();
    worker.chat(json!({ "max_tokens": 1, "user": "u", "metadata": { "a": 1 }, "service_tier": "auto", "x": [null] }));
}
