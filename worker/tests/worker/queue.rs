use std::thread;

use serde_json::json;

use crate::world::{Worker, chat_body};

/// Longer than any test waits.
const LONG: u64 = 4_000;

#[test]
fn a_client_that_leaves_frees_its_thread() {
    let worker = Worker::start(&[]);
    let mut stream = worker.stream(json!({ "max_tokens": LONG, "temperature": 2.0 }));
    stream.next().unwrap();
    worker.wait_for(1, 0);
    drop(stream);
    worker.wait_for(0, 0);
    worker.chat(json!({ "max_tokens": 1 }));
}

#[test]
fn refuses_what_its_queue_does_not_hold() {
    let worker = Worker::start(&["--queue", "1"]);
    let mut running = worker.stream(json!({ "max_tokens": LONG, "temperature": 2.0 }));
    running.next().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| worker.chat(json!({ "max_tokens": 2 })));
        worker.wait_for(1, 1);
        let refused = worker.send("/v1/chat/completions", &chat_body(json!({})).to_string());
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "2");
        let body: serde_json::Value = serde_json::from_str(&refused.into_body().read_to_string().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "queue_full");
        drop(running);
        assert_eq!(waiting.join().unwrap()["usage"]["completion_tokens"], 2);
    });
}

#[test]
fn embeds_while_it_generates() {
    let worker = Worker::start(&[]);
    let mut stream = worker.stream(json!({ "max_tokens": LONG, "temperature": 2.0 }));
    stream.next().unwrap();
    let (status, _) = worker.post("/v1/embeddings", &json!({ "model": crate::world::EMBEDDING, "input": "a" }));
    assert_eq!(status, 200);
    worker.wait_for(1, 0);
}
