//! Streams that are cut, at every event and at every byte: what was delivered is paid, and
//! nothing stays held.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;

use super::{
    worker::{Answer, End, PROMPT, Worker, chat_events, chunk},
    world::{Policy, STREAM, World, about, exactly, read, worker},
};
use crate::{Candidate, Decision, ModelError, RoutingRequest, StreamEvent};

const TOKENS: usize = 5;

async fn assert_nothing_held(world: &World) {
    let budget = world.ledger.budget(&world.scope()).unwrap();
    assert_eq!(budget.held.micros(), 0);
    let rows: u64 = world.charges().await.iter().map(|charge| charge.cost.micros()).sum();
    assert_eq!(budget.spent.micros(), rows, "the total is the sum of its rows");
}

#[tokio::test]
async fn by_the_caller_at_every_event() {
    let server = Worker::chatting(Answer::Pieces(chat_events(TOKENS), End::Whole)).await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    world.limit(1_000_000).await;
    for n_events in 0..chat_events(TOKENS).len() {
        let mut stream = world.stream(STREAM).await.unwrap();
        let mut delivered = 0;
        for _ in 0..n_events {
            if let Some(Ok(StreamEvent::Delta { text, .. })) = stream.next().await {
                delivered += u64::from(!text.is_empty());
            }
        }
        drop(stream);
        let billed = world.bills().await.pop().unwrap();
        // The last event but one says what was used; only who reads on gets there.
        let is_reported = n_events == chat_events(TOKENS).len() - 1;
        let expected = if is_reported { exactly(PROMPT, 5) } else { about(PROMPT, delivered) };
        assert_eq!(billed, expected, "after {n_events} events");
        assert_nothing_held(&world).await;
    }
}

#[tokio::test]
async fn by_the_worker_at_every_byte() {
    const TOKENS: usize = 3;
    let whole = chat_events(TOKENS).concat();
    let ends = chat_events(TOKENS).into_iter().scan(0, |end, event| {
        *end += event.len();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    let current = Arc::new(Mutex::new(Vec::new()));
    let server = Worker::streaming(current.clone(), End::Broken).await;
    // What was cut so often is down, and asked all the same.
    let here = |_: &RoutingRequest, _: &[Candidate]| Ok(Some(Decision::Order(vec!["here/smol".into()])));
    let world = World::with_policy(&worker("here", &server.url(), ""), Policy(here)).await;
    world.limit(1_000_000).await;
    let mut bills = Vec::new();
    for n_bytes in 0..whole.len() {
        *current.lock().unwrap() = vec![Bytes::copy_from_slice(&whole[..n_bytes])];
        // The role is the first event, then the tokens, the end, what was used.
        let n_events = ends.iter().filter(|end| **end <= n_bytes).count();
        let n_tokens = n_events.saturating_sub(1).min(TOKENS);
        let opened = world.stream(STREAM).await;
        if n_tokens == 0 {
            assert!(matches!(opened, Err(ModelError::Failed { .. })), "cut at {n_bytes}");
        } else {
            let (text, end) = read(&mut opened.unwrap()).await;
            assert_eq!(text.split_whitespace().count(), n_tokens, "cut at {n_bytes}");
            assert_eq!(end.is_ok(), n_events >= TOKENS + 2, "cut at {n_bytes}: {end:?}");
            let is_reported = n_events >= TOKENS + 3;
            bills.push(if is_reported { exactly(PROMPT, 3) } else { about(PROMPT, n_tokens as u64) });
        }
        assert_eq!(world.ledger.budget(&world.scope()).unwrap().held.micros(), 0, "cut at {n_bytes}");
    }
    assert_eq!(world.bills().await, bills);
    assert_nothing_held(&world).await;
}

#[tokio::test]
async fn by_a_limit_on_time() {
    for n_events in [0, 1, 3] {
        let pieces = chat_events(TOKENS)[..n_events].to_vec();
        let server = Worker::chatting(Answer::Pieces(pieces, End::Hanging)).await;
        // Only the one that is met, so that a slow machine does not meet the other.
        let limits = if n_events < 2 { "first_token = \"150ms\"" } else { "idle = \"150ms\"" };
        let world = World::new(&worker("here", &server.url(), limits)).await;
        world.limit(1_000_000).await;
        let error = match world.stream(STREAM).await {
            Ok(mut stream) => read(&mut stream).await.1.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error, ModelError::TimedOut { upstream: "here".into() });
        assert_eq!(error.to_openai().status, 504);
        let n_tokens = n_events.saturating_sub(1) as u64;
        let billed: &[_] = if n_tokens == 0 { &[] } else { &[about(PROMPT, n_tokens)] };
        assert_eq!(world.bills().await, billed, "after {n_events} events");
        assert_nothing_held(&world).await;
    }
}

#[tokio::test]
async fn a_worker_that_reports_in_each_event_is_billed_exactly_wherever_it_is_cut() {
    // Two tokens in each event, as vLLM does when its reader is slow.
    let event = |n: u64| {
        let delta = json!([{"index": 0, "delta": {"content": "t t "}, "finish_reason": null}]);
        chunk(delta, json!({"prompt_tokens": PROMPT, "completion_tokens": 2 * n, "total_tokens": PROMPT + 2 * n}))
    };
    let pieces = (1..=4).map(event).collect();
    let server = Worker::chatting(Answer::Pieces(pieces, End::Hanging)).await;
    let world = World::new(&worker("here", &server.url(), "usage = \"each\"")).await;
    for n in 1..=4 {
        let mut stream = world.stream(STREAM).await.unwrap();
        for _ in 0..n {
            let Some(Ok(StreamEvent::Delta { json, .. })) = stream.next().await else { panic!("event {n}") };
            assert!(!json.contains("usage"), "nobody asked for it");
        }
        drop(stream);
        assert_eq!(world.bills().await.pop(), Some(exactly(PROMPT, 2 * n)));
    }
    let sent = &server.asked("/v1/chat/completions")[0].body["stream_options"];
    assert_eq!(*sent, json!({"include_usage": true, "continuous_usage_stats": true}));
}

#[tokio::test]
async fn by_a_caller_who_goes_before_the_first_token() {
    let server = Worker::chatting(Answer::Pieces(chat_events(TOKENS)[..1].to_vec(), End::Hanging)).await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    world.limit(1_000_000).await;
    let waited = tokio::time::timeout(Duration::from_secs(1), world.stream(STREAM)).await;
    assert!(waited.is_err());
    // The worker read the prompt; nothing was generated that is known of.
    assert_eq!(world.bills().await, [about(PROMPT, 0)]);
    assert_nothing_held(&world).await;
}
