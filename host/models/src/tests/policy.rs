use std::sync::{Arc, Mutex};

use sophia_domain::Usd;

use super::{
    worker::Worker,
    world::{CHAT, Policy, STREAM, World, worker},
};
use crate::{Candidate, Decision, Health, ModelError, RoutingFault, RoutingRequest};

#[tokio::test]
async fn sees_what_is_asked_and_who_could_answer_and_orders_them() {
    let (a, b) = (Worker::well().await, Worker::well().await);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let remembered = seen.clone();
    let policy = Policy(move |request: &RoutingRequest, candidates: &[Candidate]| {
        remembered.lock().unwrap().push((request.clone(), candidates.to_vec()));
        Ok(Some(Decision::Order(vec!["b/smol".into(), "ghost".into()])))
    });
    let world = World::with_policy(&(worker("a", &a.url(), "") + &worker("b", &b.url(), "")), policy).await;
    world.limit(5000).await;
    let mut stream = world.stream(STREAM).await.unwrap();
    while stream.next().await.is_some() {}
    drop(stream);
    world.chat(&CHAT.replace("fast", "smol").replace("}]", r#"}],"max_tokens":7"#)).await.unwrap();
    assert!(a.asked("/v1/chat/completions").is_empty());
    assert_eq!(b.asked("/v1/chat/completions").len(), 2);

    let seen = seen.lock().unwrap();
    let expected = RoutingRequest {
        class: "fast".into(),
        input_tokens: 256 + 64 + 5,
        max_output_tokens: 100,
        is_streamed: true,
        budget: Usd::from_micros(5000),
    };
    assert_eq!(seen[0].0, expected);
    assert_eq!((seen[1].0.class.as_str(), seen[1].0.max_output_tokens, seen[1].0.is_streamed), ("smol", 7, false));
    assert_eq!(seen[1].0.budget, Usd::from_micros(5000 - 17));
    let [first, second] = seen[0].1.as_slice() else { panic!("{seen:?}") };
    assert_eq!((first.id.as_str(), second.id.as_str(), first.health), ("a/smol", "b/smol", Health::Healthy));
    assert_eq!(first.prices.input.micro_usd_per_million, 1_000_000);
}

#[tokio::test]
async fn refuses_and_nothing_is_held_or_sent() {
    let server = Worker::well().await;
    let policy = Policy(|_: &RoutingRequest, _: &[Candidate]| Ok(Some(Decision::Refuse("not today".into()))));
    let world = World::with_policy(&worker("here", &server.url(), ""), policy).await;
    let error = world.chat(CHAT).await.unwrap_err();
    assert_eq!(error, ModelError::Refused { reason: "not today".into() });
    assert_eq!(error.to_openai().status, 403);
    assert!(world.charges().await.is_empty() && server.asked("/v1/chat/completions").is_empty());
}

#[tokio::test]
async fn one_that_fails_refuses_unless_the_operator_said_otherwise() {
    let server = Worker::well().await;
    let config = worker("here", &server.url(), "");
    let policy = || Policy(|_: &RoutingRequest, _: &[Candidate]| Err(RoutingFault));
    let error = World::with_policy(&config, policy()).await.chat(CHAT).await.unwrap_err();
    assert_eq!((&error, error.blame().as_str()), (&ModelError::PolicyFailed, "plugin"));
    let open = World::with_policy(&format!("on_fault = \"open\"\n{config}"), policy()).await;
    assert!(open.chat(CHAT).await.is_ok());
}
