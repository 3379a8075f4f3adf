use futures::future::join_all;

use super::{
    worker::{PROMPT, Worker},
    world::{CHAT, STREAM, World, worker},
};
use crate::ModelError;

/// What one call holds: the count and its slack at $1, 100 tokens at $2 a million.
const HELD: u64 = PROMPT + 8 + 200;

/// What one costs.
const COST: u64 = PROMPT + 2 * 3;

#[tokio::test]
async fn a_call_that_might_exceed_a_budget_is_refused_and_nothing_is_sent() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    world.limit(HELD - 1).await;
    for error in [world.chat(CHAT).await.unwrap_err(), world.stream(STREAM).await.unwrap_err()] {
        assert!(matches!(error, ModelError::Exhausted { .. }), "{error:?}");
        let shown = error.to_openai();
        assert_eq!(shown.status, 429);
        assert!(shown.to_json().contains(r#""type":"insufficient_quota","param":null,"code":"insufficient_quota""#));
    }
    assert!(server.asked("/v1/chat/completions").is_empty());
}

#[tokio::test]
async fn what_is_held_and_not_used_can_be_spent_again() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    world.limit(HELD + COST).await;
    for _ in 0..2 {
        world.chat(CHAT).await.unwrap();
    }
    assert!(matches!(world.chat(CHAT).await, Err(ModelError::Exhausted { .. })), "{COST} twice is too much");
}

#[tokio::test]
async fn many_calls_at_once_never_exceed_a_budget() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    world.limit(10 * HELD).await;
    let outcomes = join_all((0..100).map(|_| world.chat(CHAT))).await;
    let n_answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
    assert!((10..=100).contains(&n_answered), "{n_answered}");
    let budget = world.ledger.budget(&world.scope()).unwrap();
    assert_eq!((budget.spent.micros(), budget.held.micros()), (n_answered * COST, 0));
    assert_eq!(server.asked("/v1/chat/completions").len() as u64, n_answered);
}

#[tokio::test]
async fn a_call_that_may_cost_more_than_is_allowed_for_it_is_refused() {
    let server = Worker::well().await;
    let mut world = World::new(&worker("here", &server.url(), "")).await;
    let most = |micros| sophia_domain::Usd::from_micros(micros);
    world.asker.most = most(HELD - 1);
    assert!(matches!(world.chat(CHAT).await, Err(ModelError::Capped { .. })));
    assert!(matches!(world.stream(STREAM).await, Err(ModelError::Capped { .. })));
    assert!(server.asked("/v1/chat/completions").is_empty());
    world.asker.most = most(HELD);
    assert!(world.chat(CHAT).await.is_ok());
}
