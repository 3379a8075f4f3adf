use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    worker::{Answer, End, PROMPT, Worker, chat_events, chunk, delta, usage_event},
    world::{STREAM, World, about, exactly, read, worker},
};
use crate::{Finish, ModelError, StreamEvent};

async fn events(world: &World, request: &str) -> Vec<StreamEvent> {
    let mut stream = world.stream(request).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event.unwrap());
    }
    events
}

#[tokio::test]
async fn passes_on_every_event_under_the_models_name() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let events = events(&world, STREAM).await;
    let texts: Vec<&str> = events
        .iter()
        .map(|event| match event {
            StreamEvent::Delta { json, text } => {
                let json: Value = serde_json::from_str(json).unwrap();
                assert_eq!((&json["model"], json.get("usage")), (&json!("smol"), None));
                text
            }
            StreamEvent::Usage { .. } => panic!("nobody asked for it"),
            StreamEvent::Done(finish) => {
                assert_eq!(*finish, Finish::Stop);
                "done"
            }
        })
        .collect();
    assert_eq!(texts, ["", "t0 ", "t1 ", "t2 ", "", "done"]);
    assert_eq!(world.bills().await, [exactly(PROMPT, 3)]);
    let sent = &server.asked("/v1/chat/completions")[0].body;
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn says_what_was_used_to_a_caller_who_asks() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let asked = STREAM.replace("true}", r#"true,"stream_options":{"include_usage":true}}"#);
    let shown: Vec<Value> = events(&world, &asked)
        .await
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Usage { json } => serde_json::from_str(json).ok(),
            _ => None,
        })
        .collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["usage"], json!({"prompt_tokens": PROMPT, "completion_tokens": 3, "total_tokens": 14}));
    assert_eq!(shown[0]["choices"], json!([]));
}

#[tokio::test]
async fn reads_the_same_wherever_the_bytes_are_cut() {
    let whole: Vec<u8> = chat_events(2).concat();
    let current = Arc::new(Mutex::new(Vec::new()));
    let server = Worker::streaming(current.clone(), End::Whole).await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    for at in 0..whole.len() {
        let pieces = vec![Bytes::copy_from_slice(&whole[..at]), Bytes::copy_from_slice(&whole[at..])];
        *current.lock().unwrap() = pieces;
        let (text, end) = read(&mut world.stream(STREAM).await.unwrap()).await;
        assert_eq!((text.as_str(), end), ("t0 t1 ", Ok(())), "cut at {at}");
    }
    assert_eq!(world.bills().await, vec![exactly(PROMPT, 2); whole.len()]);
}

#[tokio::test]
async fn impossible_usage_is_brought_within_what_was_held_and_marked() {
    for (usage, billed) in [
        (json!({"prompt_tokens": PROMPT, "completion_tokens": 101}), about(PROMPT, 100)),
        (json!({"prompt_tokens": PROMPT, "completion_tokens": -1}), about(PROMPT, 3)),
        (json!({"prompt_tokens": "many", "completion_tokens": 3}), about(PROMPT, 3)),
    ] {
        let mut pieces = chat_events(3);
        let at = pieces.len() - 2;
        pieces[at] = usage_event(usage.clone());
        let server = Worker::chatting(Answer::Pieces(pieces, End::Whole)).await;
        let world = World::new(&worker("here", &server.url(), "")).await;
        read(&mut world.stream(STREAM).await.unwrap()).await.1.unwrap();
        assert_eq!(world.bills().await, [billed], "{usage}");
    }
}

#[tokio::test]
async fn an_answer_that_ended_is_whole_however_its_stream_ends() {
    let n_events = chat_events(2).len();
    for (n, end, billed) in [
        (n_events - 1, End::Whole, exactly(PROMPT, 2)),
        (n_events - 1, End::Broken, exactly(PROMPT, 2)),
        (n_events - 2, End::Whole, about(PROMPT, 2)),
        (n_events - 2, End::Broken, about(PROMPT, 2)),
    ] {
        let pieces = chat_events(2)[..n].to_vec();
        let server = Worker::chatting(Answer::Pieces(pieces, end)).await;
        let world = World::new(&worker("here", &server.url(), "")).await;
        let mut stream = world.stream(STREAM).await.unwrap();
        assert_eq!(read(&mut stream).await, ("t0 t1 ".to_owned(), Ok(())), "{n} {end:?}");
        assert_eq!(stream.used().is_estimated, billed.is_estimated);
        drop(stream);
        assert_eq!(world.bills().await, [billed], "{n} {end:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_its_bounds_is_cut_and_billed() {
    let endless = |text: &str| vec![delta(json!({"content": "t0 "})), Bytes::from(text.repeat(1 << 10))];
    let nonsense = Bytes::from_static(b"data: {\"choices\":[\n\n");
    let too_many = (0..101).map(|i| delta(json!({"content": format!("t{i} ")}))).collect();
    let error = Bytes::from_static(b"data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n");
    let (begin, several) = (delta(json!({"content": "t0 "})), chunk(json!([{}, {}]), Value::Null));
    for (pieces, what, n) in [
        (endless(&"x".repeat(1 << 10)), "its stream is no stream of events", 1),
        (vec![begin.clone(), nonsense], "an event of the stream is no part of an answer", 1),
        (vec![begin.clone(), error], "it reported an error in its stream", 1),
        (vec![begin, several], "it streams several answers and was asked for one", 1),
        (too_many, "it generates more than was asked for", 100),
    ] {
        let server = Worker::chatting(Answer::Pieces(pieces, End::Hanging)).await;
        let world = World::new(&worker("here", &server.url(), "")).await;
        let mut stream = world.stream(STREAM).await.unwrap();
        let (text, end) = read(&mut stream).await;
        assert_eq!(end, Err(ModelError::Failed { upstream: "here".into(), what: what.into() }));
        assert_eq!(text.split_whitespace().count() as u64, n, "{what}");
        assert!(stream.next().await.is_none(), "after an error a stream is over");
        assert_eq!(world.bills().await, [about(PROMPT, n)], "{what}");
    }
}
