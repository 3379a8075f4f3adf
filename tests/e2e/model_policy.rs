//! The policy that is live decides, in the path of each request.

use serde_json::json;
use sophia_tests::{Node, Setup, guest};

use crate::{
    models::refused,
    upstream::{Upstream, assert_nothing_held, chat},
};

const POLICY: &str = "router";

/// Two upstreams of one class, and a policy that decides as it is told.
struct World {
    one: Upstream,
    two: Upstream,
    node: Node,
}

impl World {
    async fn start(setup: Setup) -> Self {
        let (one, two) = (Upstream::start().await, Upstream::start().await);
        let setup = setup.upstream(&one.config("one")).upstream(&two.config("two"));
        let node = setup.start().await;
        node.put("/v1/budgets/tenant", json!({"limit": "$1"})).await.expect(200);
        node.deploy(POLICY, &guest(POLICY)).await;
        Self { one, two, node }
    }

    async fn decide(&self, decision: &str) {
        self.node.connect(POLICY, "default", json!({"decision": decision}), json!({})).await.expect(200);
        self.one.forget();
        self.two.forget();
    }

    /// Chats that each upstream was asked for since the last decision.
    fn chats(&self) -> (usize, usize) {
        (self.one.chats().len(), self.two.chats().len())
    }
}

#[tokio::test]
async fn orders_and_refuses() {
    let world = World::start(Setup::new()).await;
    let node = &world.node;
    world.decide("keep").await;
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    assert_eq!(world.chats(), (1, 0));
    world.decide("reverse").await;
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    assert_eq!(world.chats(), (0, 1));
    // The first of its order fails, and the second is asked.
    world.two.feels(crate::upstream::Mood::Status(500));
    node.post("/v1/chat/completions", chat(true)).await.expect_text(200);
    assert_eq!(world.chats(), (1, 2));
    world.decide("refuse").await;
    let refusal = refused(&node.post("/v1/chat/completions", chat(false)).await, 403, "refused_by_policy");
    assert!(refusal["error"]["message"].as_str().unwrap().contains("not for `fast`"), "{refusal}");
    world.decide("stranger").await;
    refused(&node.post("/v1/chat/completions", chat(true)).await, 403, "refused_by_policy");
    assert_eq!(world.chats(), (0, 0));
    assert_nothing_held(node).await;
    let page = node.get("/metrics").await.expect_text(200);
    assert!(page.contains(r#"sophia_calls_total{plugin="router",outcome="ok"} 5"#), "{page}");
    let log = world.node.stop_and_log().await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("route=models.chat")).collect();
    assert!(lines.len() == 5 && lines.iter().all(|line| line.contains(" policy_us=")), "{lines:#?}");
}

#[tokio::test]
async fn a_failing_policy_lets_nothing_through() {
    let world = World::start(Setup::new()).await;
    for decision in ["trap", "spin", "error"] {
        world.decide(decision).await;
        for is_streamed in [false, true] {
            let reply = world.node.post("/v1/chat/completions", chat(is_streamed)).await;
            refused(&reply, 503, "policy_failed");
        }
        assert_eq!(world.chats(), (0, 0), "{decision}");
    }
    assert_nothing_held(&world.node).await;
    let log = world.node.stop_and_log().await;
    assert!(log.contains("the routing policy failed") && log.contains("policy=router"), "{log}");
}

#[tokio::test]
async fn a_failing_policy_is_passed_over_where_the_operator_says_so() {
    let world = World::start(Setup::new().set(&["models", "on_fault"], "open")).await;
    world.decide("trap").await;
    world.node.post("/v1/chat/completions", chat(false)).await.expect(200);
    assert_eq!(world.chats(), (1, 0));
    world.node.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_named_must_be_live() {
    let upstream = Upstream::start().await;
    let setup = Setup::new().upstream(&upstream.config("one")).set(&["models", "policy"], "cost-aware");
    let node = setup.start().await;
    refused(&node.post("/v1/chat/completions", chat(false)).await, 503, "policy_failed");
    node.deploy("cost-aware", &guest("cost-aware")).await;
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    // Another one is live too, and is not asked.
    node.deploy(POLICY, &guest(POLICY)).await;
    node.connect(POLICY, "default", json!({"decision": "refuse"}), json!({})).await.expect(200);
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    node.stop().await;
}

#[tokio::test]
async fn several_policies_and_none_named_is_said() {
    let upstream = Upstream::start().await;
    let node = Setup::new().upstream(&upstream.config("one")).start().await;
    node.deploy("cost-aware", &guest("cost-aware")).await;
    node.post("/v1/chat/completions", chat(false)).await.expect(200);
    node.deploy(POLICY, &guest(POLICY)).await;
    refused(&node.post("/v1/chat/completions", chat(false)).await, 503, "policy_failed");
    let log = node.stop_and_log().await;
    assert!(log.contains("several live policies route: name the one that decides"), "{log}");
}
