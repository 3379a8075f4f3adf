use serde_json::{Value, json};

use crate::world::{Worker, chat_body};

#[test]
fn finishes_what_it_took_and_refuses_the_rest() {
    let mut worker = Worker::start(&[]);
    let mut stream = worker.stream(json!({ "max_tokens": 60, "temperature": 0 }));
    let first = stream.next().unwrap();
    worker.terminate();
    while worker.get("/health").0 == 200 {}
    let (status, refused) = worker.post("/v1/chat/completions", &chat_body(json!({})));
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("draining")));
    let rest: Vec<Value> = stream.collect();
    assert_eq!(rest.last().unwrap()["choices"][0]["finish_reason"], "length");
    assert_eq!(rest.last().unwrap()["id"], first["id"]);
    assert_eq!(worker.ended(), Some(0));
}
