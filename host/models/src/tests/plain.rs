use http::header;
use serde_json::{Value, json};

use super::{
    worker::{Answer, PROMPT, Worker, chat, ok},
    world::{CHAT, SECRET, World, about, exactly, worker},
};
use crate::{ModelEntry, ModelError};

#[tokio::test]
async fn answers_under_the_models_name_and_bills_what_was_reported() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let answer = world.chat(CHAT).await.unwrap();
    let json: Value = serde_json::from_str(&answer.json).unwrap();
    assert_eq!((&json["model"], &json["choices"][0]["message"]["content"]), (&json!("smol"), &json!("t0 t1 t2 ")));
    assert_eq!((answer.receipt.model.as_str(), answer.receipt.upstream.as_str()), ("smol", "here"));
    assert_eq!(world.bills().await, [exactly(PROMPT, 3)]);
    let charge = &world.charges().await[0];
    assert_eq!((charge.class.as_str(), charge.cost, charge.cost), ("fast", answer.receipt.used.cost, charge.cost));
}

#[tokio::test]
async fn always_sends_a_bound_on_tokens_and_no_null() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let message = r#""messages":[{"role":"user","content":"hi"}]"#;
    for (asked, sent) in [("", 100), (r#","max_tokens":7"#, 7), (r#","max_completion_tokens":9999"#, 100)] {
        world.chat(&format!(r#"{{"model":"smol",{message}{asked},"user":null}}"#)).await.unwrap();
        let body = &server.asked("/v1/chat/completions").pop().unwrap().body;
        let expected =
            json!({"model": "/weights/smol", "messages": [{"role": "user", "content": "hi"}], "max_tokens": sent});
        assert_eq!(*body, expected);
    }
    let counted = &server.asked("/tokenize")[0].body;
    assert_eq!(*counted, json!({"model": "/weights/smol", "messages": [{"role": "user", "content": "hi"}]}));
}

#[tokio::test]
async fn holds_no_more_than_the_prompt_and_the_bound_may_cost() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    world.chat(CHAT).await.unwrap();
    // The count and its slack at $1, 100 tokens at $2 a million.
    assert_eq!(world.charges().await[0].held.micros(), PROMPT + 8 + 200);
}

#[tokio::test]
async fn impossible_usage_is_brought_within_what_was_held_and_marked() {
    for (usage, billed) in [
        (json!({"prompt_tokens": PROMPT, "completion_tokens": 4_000_000_000_u64}), about(PROMPT, 100)),
        (json!({"prompt_tokens": -5, "completion_tokens": 3}), about(PROMPT, 3)),
        (json!({"prompt_tokens": 1e300, "completion_tokens": 3}), about(PROMPT, 3)),
        // Nothing is said: the text has nine bytes, and no more tokens.
        (Value::Null, about(PROMPT, 9)),
    ] {
        let server = Worker::chatting(ok(chat("t0 t1 t2 ", usage.clone()))).await;
        let world = World::new(&worker("here", &server.url(), "")).await;
        let answer = world.chat(CHAT).await.unwrap();
        assert_eq!(world.bills().await, std::slice::from_ref(&billed), "{usage}");
        let json: Value = serde_json::from_str(&answer.json).unwrap();
        let shown = json!({"prompt_tokens": billed.input, "completion_tokens": billed.output, "total_tokens": billed.input + billed.output});
        assert_eq!(json["usage"], shown, "the caller sees what is billed");
    }
}

#[tokio::test]
async fn a_prompt_longer_than_the_context_is_refused_before_money_is_held() {
    let long = |seen: &super::worker::Seen| (seen.path == "/tokenize").then(|| ok(json!({"count": 5000})));
    let server = Worker::start(long).await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let text = "x".repeat(5000);
    let error = world.chat(&CHAT.replace("hello", &text)).await.unwrap_err();
    assert_eq!(error, ModelError::ContextLength { tokens: 5000, context: 4096 });
    assert_eq!(error.to_openai().status, 400);
    assert!(world.charges().await.is_empty() && server.asked("/v1/chat/completions").is_empty());
}

#[tokio::test]
async fn a_tokenizer_that_fails_leaves_the_bytes_to_bound_the_prompt() {
    let bytes = 256 + 64 + "hello".len() as u64;
    for answer in [ok(json!({"count": -1})), ok(json!({"count": 1_000_000})), Answer::Status(500, None, json!({}))] {
        let server = Worker::start(move |seen| (seen.path == "/tokenize").then(|| answer.clone())).await;
        let world = World::new(&worker("here", &server.url(), "")).await;
        world.chat(CHAT).await.unwrap();
        assert_eq!(world.charges().await[0].held.micros(), bytes + 200);
    }
}

#[tokio::test]
async fn sends_the_secret_and_lets_nothing_of_it_come_back() {
    let refusal = json!({"error": {"message": format!("no {SECRET} here"), "param": "messages"}});
    let server = Worker::chatting(Answer::Status(400, None, refusal)).await;
    let world = World::new(&worker("here", &server.url(), "secret = \"upstream\"")).await;
    let error = world.chat(CHAT).await.unwrap_err();
    let sent = &server.asked("/v1/chat/completions")[0].headers[header::AUTHORIZATION];
    assert_eq!(sent, &format!("Bearer {SECRET}"));
    let shown = error.to_openai().to_json();
    assert!(shown.contains("the model refuses the request: no") && !shown.contains("very-secret"), "{shown}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    for name in ["ghost", "embed", "mini", "/weights/smol"] {
        let error = world.chat(&CHAT.replace("fast", name)).await.unwrap_err().to_openai();
        assert_eq!(error.status, 404);
        assert!(error.to_json().contains(r#""param":"model","code":"model_not_found""#), "{}", error.to_json());
    }
    let entry = |id: &str, owner: &str| ModelEntry { id: id.into(), owned_by: owner.into() };
    let expected = [entry("fast", "sophia"), entry("embed", "sophia"), entry("smol", "here"), entry("mini", "here")];
    assert_eq!(world.models.list(), expected);
}
