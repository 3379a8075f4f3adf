//! Several nodes on one database: what one changes holds on all, whatever is cut, killed, paused
//! or started again in between; and nothing that was acknowledged is lost.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use nix::sys::signal::Signal;
use serde_json::json;
use sophia_servers::{Link, Postgres, Redis};
use sophia_tests::{Caller, Node, Setup};

/// Nodes with all that they share.
struct Fleet {
    nodes: Vec<Node>,
    /// Each node's ways, which can be cut.
    to_postgres: Vec<Link>,
    to_redis: Vec<Link>,
    postgres: Postgres,
    redis: Redis,
}

/// More than any machine needs for what takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

impl Fleet {
    async fn of(n: usize) -> Self {
        let (postgres, redis) = (Postgres::start(), Redis::start());
        let (mut nodes, mut to_postgres, mut to_redis) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            let ((database, database_url), (notices, redis_url)) = (postgres.link(), redis.link());
            nodes.push(setup(&database_url, &redis_url).start().await);
            to_postgres.push(database);
            to_redis.push(notices);
        }
        Self { nodes, to_postgres, to_redis, postgres, redis }
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

fn setup(database_url: &str, redis_url: &str) -> Setup {
    let master = STANDARD.encode([7; 32]);
    Setup::new().env("DATABASE_URL", database_url).env("REDIS_URL", redis_url).env("SOPHIA_MASTER_KEY", &master)
}

async fn make_key(node: &Caller, name: &str) -> String {
    let made = node.post("/v1/keys", json!({ "name": name, "role": "viewer" })).await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

/// Asks until the answer is as it should be.
async fn until(node: &Caller, key: &str, status: u16) {
    let (caller, began) = (node.with_key(Some(key)), Instant::now());
    loop {
        let answer = caller.get("/v1/permissions").await;
        if answer.status == status {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "still {}: {}", answer.status, answer.text());
    }
}

#[tokio::test]
async fn what_one_node_changes_holds_on_all() {
    let fleet = Fleet::of(3).await;
    let [one, two, three] = fleet.nodes.as_slice() else { panic!("three nodes") };
    let key = make_key(one, "shared").await;
    until(two, &key, 200).await;
    until(three, &key, 200).await;
    three.delete("/v1/keys/shared").await.expect(204);
    until(one, &key, 401).await;
    until(two, &key, 401).await;

    two.put_secret("crm", "a-secret-of-all-nodes", &["GET https://api.example.com/*"]).await.expect(200);
    let began = Instant::now();
    while one.get("/v1/secrets").await.expect(200)["secrets"].as_array().unwrap().is_empty() {
        assert!(began.elapsed() < PATIENCE, "{}", one.log());
    }
    fleet.stop().await;
}

#[tokio::test]
async fn a_name_is_taken_once_whoever_asks() {
    let fleet = Fleet::of(3).await;
    let asking = fleet.nodes.iter().map(|node| node.post("/v1/keys", json!({ "name": "one", "role": "viewer" })));
    let mut answers: Vec<u16> = futures::future::join_all(asking).await.iter().map(|answer| answer.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [201, 409, 409]);
    fleet.stop().await;
}

#[tokio::test]
async fn a_node_that_was_cut_off_learns_what_it_missed() {
    let fleet = Fleet::of(2).await;
    let [one, two] = fleet.nodes.as_slice() else { panic!("two nodes") };
    let key = make_key(one, "revoked").await;
    until(two, &key, 200).await;
    fleet.to_postgres[1].cut();
    fleet.to_redis[1].cut();
    one.delete("/v1/keys/revoked").await.expect(204);
    let late = make_key(one, "late").await;
    // It goes on with what it knows, for as long as is stated.
    assert_eq!(two.with_key(Some(&key)).get("/v1/permissions").await.status, 200);
    fleet.to_postgres[1].heal();
    until(two, &key, 401).await;
    until(two, &late, 200).await;
    fleet.to_redis[1].heal();
    fleet.stop().await;
}

#[tokio::test]
async fn without_redis_nodes_still_learn_of_one_another() {
    let mut fleet = Fleet::of(2).await;
    fleet.redis.kill();
    let [one, two] = fleet.nodes.as_slice() else { panic!("two nodes") };
    let key = make_key(one, "untold").await;
    until(two, &key, 200).await;
    fleet.redis.restart();
    let [one, two] = fleet.nodes.as_slice() else { panic!("two nodes") };
    two.delete("/v1/keys/untold").await.expect(204);
    until(one, &key, 401).await;
    fleet.stop().await;
}

#[tokio::test]
async fn a_database_that_crashes_under_writes_loses_nothing_that_was_acknowledged() {
    let mut fleet = Fleet::of(2).await;
    let (mut acknowledged, mut n_refused) = (Vec::new(), 0);
    for round in 0..3 {
        let writers = fleet.nodes.iter().enumerate().map(|(n, node)| {
            let caller = Caller::clone(node);
            tokio::spawn(async move { write_keys(&caller, &format!("{round}-{n}")).await })
        });
        let writers: Vec<_> = writers.collect();
        fleet.postgres.restart();
        for writer in writers {
            let (kept, refused) = writer.await.unwrap();
            acknowledged.extend(kept);
            n_refused += refused;
        }
    }
    assert!(!acknowledged.is_empty());
    let [one, two] = fleet.nodes.as_slice() else { panic!("two nodes") };
    for (name, key) in &acknowledged {
        until(one, key, 200).await;
        until(two, key, 200).await;
        assert!(listed(one, name).await, "{name}");
    }
    assert!(n_refused < 60, "none was let through after the database came back");
    fleet.stop().await;
}

/// Makes keys while the database goes and comes; those that were acknowledged, and how many were
/// refused. A refusal is a problem that says so.
async fn write_keys(caller: &Caller, prefix: &str) -> (Vec<(String, String)>, u32) {
    let (mut kept, mut n_refused) = (Vec::new(), 0);
    for n in 0..10 {
        let name = format!("w{prefix}-{n}");
        let answer = caller.post("/v1/keys", json!({ "name": name, "role": "viewer" })).await;
        match answer.status {
            201 => kept.push((name, answer.json()["key"].as_str().unwrap().to_owned())),
            500..=599 => {
                assert_eq!(answer.header("content-type"), "application/problem+json");
                n_refused += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    (kept, n_refused)
}

async fn listed(node: &Caller, name: &str) -> bool {
    let keys = node.get("/v1/keys").await.expect(200);
    keys["keys"].as_array().unwrap().iter().any(|key| key["name"] == name)
}

#[tokio::test]
async fn a_node_that_was_paused_for_dead_begins_anew() {
    let fleet = Fleet::of(2).await;
    let [one, two] = fleet.nodes.as_slice() else { panic!("two nodes") };
    let key = make_key(one, "paused").await;
    until(two, &key, 200).await;
    two.signal(Signal::SIGSTOP);
    one.delete("/v1/keys/paused").await.expect(204);
    let began = Instant::now();
    while !one.log().contains("counts as dead") {
        assert!(began.elapsed() < PATIENCE, "{}", one.log());
        one.get("/live").await.expect(200);
    }
    two.signal(Signal::SIGCONT);
    until(two, &key, 401).await;
    let late = make_key(two, "late").await;
    until(one, &late, 200).await;
    fleet.stop().await;
}

#[tokio::test]
async fn another_master_key_is_refused_at_the_start() {
    let fleet = Fleet::of(1).await;
    let other = STANDARD.encode([8; 32]);
    let refused = setup(&fleet.postgres.url(), &fleet.redis.url()).env("SOPHIA_MASTER_KEY", &other).refused().await;
    assert!(refused.contains("another master key"), "{refused}");
    fleet.stop().await;
}
