use std::{net::TcpListener, time::Duration};

use bytes::Bytes;
use serde_json::json;

use super::{
    worker::{Answer, End, PROMPT, Worker, chat_events, ok},
    world::{CHAT, STREAM, World, about, exactly, read, worker},
};
use crate::{Attempt, ModelError, UpstreamError};

const SHORT: &str = "first_token = \"150ms\"\nidle = \"150ms\"\ntotal = \"150ms\"";

/// Limits that a hanging upstream meets soon, and none that a slow machine would meet for another.
fn limits(error: &UpstreamError) -> &'static str {
    if *error == UpstreamError::TimedOut { SHORT } else { "" }
}

/// An address that nobody listens at.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

/// How an upstream may fail before its first byte, and what that is called.
fn failures() -> Vec<(Answer, UpstreamError)> {
    let half = chat_events(3).concat()[..40].to_vec();
    let error = Bytes::from_static(b"data: {\"error\":{\"message\":\"no memory\"}}\n\n");
    let limited = UpstreamError::Limited { retry_after: Duration::from_secs(7) };
    vec![
        (Answer::Status(500, None, json!({})), UpstreamError::Status(500)),
        (Answer::Status(429, Some(("retry-after", "7")), json!({})), limited),
        (Answer::Status(401, None, json!({})), UpstreamError::Unusable),
        (Answer::Status(302, Some(("location", "http://a.example/")), json!({})), UpstreamError::Status(302)),
        (Answer::Pieces(vec![], End::Hanging), UpstreamError::TimedOut),
        (Answer::Pieces(vec![half.into()], End::Hanging), UpstreamError::TimedOut),
        (Answer::Pieces(vec![error], End::Hanging), UpstreamError::Answer("it reported an error in its stream")),
    ]
}

#[tokio::test]
async fn another_candidate_answers_where_one_fails_before_its_first_byte() {
    for (answer, error) in failures() {
        let (sick, well) = (Worker::chatting(answer).await, Worker::well().await);
        let config = worker("sick", &sick.url(), limits(&error)) + &worker("well", &well.url(), "");
        let world = World::new(&config).await;
        world.limit(1_000_000).await;
        let mut stream = world.stream(STREAM).await.unwrap();
        assert_eq!(stream.attempts(), [Attempt { candidate: "sick/smol".into(), error: error.clone() }]);
        assert_eq!((read(&mut stream).await.0.as_str(), stream.upstream()), ("t0 t1 t2 ", "well"));
        assert_eq!(world.bills().await, [exactly(PROMPT, 3)], "only who answers is paid: {error}");
        assert_eq!(world.ledger.budget(&world.scope()).unwrap().held.micros(), 0);
    }
}

#[tokio::test]
async fn so_it_is_for_whole_answers() {
    let cases = [
        (Answer::Status(503, None, json!({})), UpstreamError::Status(503)),
        (
            Answer::Pieces(vec![Bytes::from_static(b"{\"choices\":")], End::Broken),
            UpstreamError::Answer("the answer broke off"),
        ),
        (Answer::Pieces(vec![], End::Hanging), UpstreamError::TimedOut),
        (ok(json!({"error": {"message": "no memory"}})), UpstreamError::Answer("its answer has not one choice")),
        (ok(json!("no")), UpstreamError::Answer("its answer is no chat completion")),
    ];
    for (answer, error) in cases {
        let (sick, well) = (Worker::chatting(answer).await, Worker::well().await);
        let config = worker("sick", &sick.url(), limits(&error)) + &worker("well", &well.url(), "");
        let world = World::new(&config).await;
        let answer = world.chat(CHAT).await.unwrap();
        assert_eq!(answer.receipt.attempts, [Attempt { candidate: "sick/smol".into(), error }]);
        assert_eq!(world.bills().await, [exactly(PROMPT, 3)]);
    }
}

#[tokio::test]
async fn who_is_not_there_is_passed_over_and_known_to_be_down_after_a_while() {
    let well = Worker::well().await;
    let world = World::new(&(worker("gone", &nobody(), "") + &worker("well", &well.url(), ""))).await;
    for n in 0..7 {
        let answer = world.chat(CHAT).await.unwrap();
        // After its first failure it is degraded, and no longer the first choice.
        let tried: Vec<_> = answer.receipt.attempts.iter().map(|attempt| attempt.error.clone()).collect();
        let expected: &[UpstreamError] = if n == 0 { &[UpstreamError::Down] } else { &[] };
        assert_eq!(tried, expected, "call {n}");
    }
}

#[tokio::test]
async fn where_all_fail_the_caller_is_told_by_whom_and_how() {
    for (answer, error) in failures() {
        let server = Worker::chatting(answer).await;
        let world = World::new(&worker("sick", &server.url(), limits(&error))).await;
        let failed = world.stream(STREAM).await.unwrap_err();
        let (status, blame) = match &error {
            UpstreamError::Limited { .. } => (429, "upstream"),
            UpstreamError::TimedOut => (504, "upstream"),
            UpstreamError::Unusable => (503, "host"),
            _ => (502, "upstream"),
        };
        assert_eq!((failed.to_openai().status, failed.blame().as_str()), (status, blame), "{failed}");
        assert_eq!(world.bills().await, []);
    }
    let world = World::new(&worker("gone", &nobody(), "")).await;
    for _ in 0..6 {
        let failed = world.chat(CHAT).await.unwrap_err();
        assert_eq!(
            (&failed, failed.to_openai().status, failed.to_openai().retry_after),
            (&ModelError::Down, 503, Some(5))
        );
    }
}

#[tokio::test]
async fn a_request_that_one_refuses_is_not_put_to_another() {
    let refusal = json!({"error": {"message": "no such tool", "param": "tools", "code": 400}});
    let (strict, well) = (Worker::chatting(Answer::Status(400, None, refusal)).await, Worker::well().await);
    let world = World::new(&(worker("strict", &strict.url(), "") + &worker("well", &well.url(), ""))).await;
    let error = world.chat(CHAT).await.unwrap_err();
    assert_eq!(error, ModelError::invalid("tools", "the model refuses the request: no such tool"));
    assert!(well.asked("/v1/chat/completions").is_empty());
    assert_eq!(world.bills().await, []);
}

#[tokio::test]
async fn after_the_first_byte_nobody_else_is_asked() {
    let pieces = chat_events(3)[..2].to_vec();
    let (breaking, well) = (Worker::chatting(Answer::Pieces(pieces, End::Broken)).await, Worker::well().await);
    let world = World::new(&(worker("breaking", &breaking.url(), "") + &worker("well", &well.url(), ""))).await;
    let (text, end) = read(&mut world.stream(STREAM).await.unwrap()).await;
    assert_eq!(text, "t0 ");
    assert_eq!(end, Err(ModelError::Failed { upstream: "breaking".into(), what: "the answer broke off".into() }));
    assert!(well.asked("/v1/chat/completions").is_empty(), "nobody sees output twice");
    assert_eq!(world.bills().await, [about(PROMPT, 1)]);
}

#[tokio::test]
async fn a_prompt_too_long_for_one_is_put_to_another() {
    let short = Worker::start(|seen| (seen.path == "/tokenize").then(|| ok(json!({"count": 300})))).await;
    let long = Worker::well().await;
    let small = worker("short", &short.url(), "").replace("4096", "200");
    let world = World::new(&(small + &worker("long", &long.url(), ""))).await;
    assert_eq!(world.chat(CHAT).await.unwrap().receipt.upstream, "long");
    assert!(short.asked("/v1/chat/completions").is_empty());
}
