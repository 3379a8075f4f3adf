//! Whoever has the database, and not the key.

use super::*;

async fn check(sql: &'static str, expected: &str) {
    let world = World::new().await;
    world.record(6).await;
    world.sql(sql).await;
    assert_eq!(world.said().await, expected, "{sql}");
    world.stop().await;
}

#[tokio::test]
async fn change_removal_insertion_reordering_and_truncation_are_found_where_they_are() {
    check(
        "UPDATE audit_entries SET actor = 'somebody' WHERE seq = 3",
        "change 3: is not what was written there (agrees)",
    )
    .await;
    check("DELETE FROM audit_entries WHERE seq IN (3, 4)", "change 3 to 4: was removed (agrees)").await;
    check(
        "UPDATE audit_entries SET seq = seq + 1000;
         UPDATE audit_entries SET seq = CASE WHEN seq < 1003 THEN seq - 1000 ELSE seq - 999 END;
         INSERT INTO audit_entries SELECT chain, 3, at_micros, tenant, actor, action, resource, outcome, status, count,
             request_id, peer, detail, zeroblob(32) FROM audit_entries WHERE seq = 2",
        "change 3: was inserted; change 4 to 6: was written at place 3; change 6: was acknowledged once, and the chain \
         does not have it any more (disagrees)",
    )
    .await;
    check(
        "UPDATE audit_entries SET seq = 100 WHERE seq = 3; UPDATE audit_entries SET seq = 3 WHERE seq = 4;
         UPDATE audit_entries SET seq = 4 WHERE seq = 100",
        "change 3: was written at place 4; change 4: was written at place 3 (agrees)",
    )
    .await;
    check(
        "DELETE FROM audit_entries WHERE seq > 4",
        "change 5 to 6: was cut off the end; change 6: was acknowledged \
         once, and the chain does not have it any more (disagrees)",
    )
    .await;
    check("DELETE FROM audit_heads", "change 1: what says where the chain ends is missing or was changed (agrees)")
        .await;
}

/// Copies the database as an attacker would who kept an earlier state of it.
async fn rolled_back(world: World, grow: usize) -> World {
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let kept = world.dir.path().join("kept.db");
    std::fs::copy(world.database(), &kept).unwrap();
    world.record(grow).await;
    let dir = world.stop().await;
    std::fs::rename(kept, dir.path().join("sophia.db")).unwrap();
    for name in ["sophia.db-wal", "sophia.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    World { audit: open(dir.path(), CONFIG).await, dir }
}

#[tokio::test]
async fn a_database_set_back_whole_is_found_by_the_witness_and_leaves_an_entry() {
    let world = World::new().await;
    world.record(3).await;
    let world = rolled_back(world, 2).await;
    // What it said is an entry before anything else is.
    world.record(1).await;
    let shown = world.shown().await;
    assert_eq!(shown[3].action, "audit rolled-back");
    assert_eq!(shown[3].detail.as_deref(), Some("entry 5 was acknowledged, and is not in the chain any more"));
    assert_eq!(shown.len(), 5);
    world.stop().await;
}

#[tokio::test]
async fn a_checkpoint_kept_elsewhere_finds_a_directory_that_was_set_back_whole() {
    let world = World::new().await;
    world.record(3).await;
    let checkpoint = world.audit.checkpoint().await.unwrap();
    let world = world.restart().await;
    world.record(3).await;
    assert_eq!(said(&world.audit.verify(&checkpoint).await.unwrap()), "whole (agrees)");
    let later = world.audit.checkpoint().await.unwrap();
    let other = World::new().await;
    other.record(6).await;
    let report = other.audit.verify(&later).await.unwrap();
    assert_eq!(said(&report), "change 6: was acknowledged once, and the chain does not have it any more (agrees)");
    other.stop().await;
    world.stop().await;
}

#[tokio::test]
async fn a_witness_that_was_touched_or_taken_away_is_told() {
    let world = World::new().await;
    world.record(2).await;
    let dir = world.stop().await;
    let witness = dir.path().join("audit.witness");
    std::fs::write(&witness, "nothing of ours").unwrap();
    let world = World { audit: open(dir.path(), CONFIG).await, dir };
    world.record(1).await;
    assert_eq!(world.shown().await[2].action, "audit witness-damaged");
    let dir = world.stop().await;
    std::fs::remove_file(&witness).unwrap();
    let world = World { audit: open(dir.path(), CONFIG).await, dir };
    world.record(1).await;
    assert_eq!(world.shown().await[4].action, "audit no-witness");
    assert_eq!(world.said().await, "whole (agrees)");
    std::fs::write(&witness, "nothing of ours").unwrap();
    assert_eq!(world.said().await, "whole (damaged)");
    world.stop().await;
}

#[tokio::test]
async fn a_stopped_nodes_chains_are_verified_where_they_lie() {
    let world = World::new().await;
    world.record(4).await;
    world.sql("UPDATE audit_entries SET count = 7 WHERE seq = 2").await;
    let dir = world.stop().await;
    let store = Store::open(dir.path()).await.unwrap();
    let report = Audit::verify_stopped(&store, keys(), dir.path(), &[]).await.unwrap();
    assert_eq!(said(&report), "change 2: is not what was written there (agrees)");
}
