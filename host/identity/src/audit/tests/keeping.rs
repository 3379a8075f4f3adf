//! Sealed parts: made, read, verified, forgotten, and what a crash leaves of them.

use sophia_store::audit::SegmentState;

use super::*;

const SMALL: AuditConfig = AuditConfig { segment_entries: 10, ..CONFIG };

async fn parts(world: &World) -> Vec<(i64, i64, SegmentState)> {
    let parts = world.audit.0.store.audit_segments("change").await.unwrap();
    parts.iter().map(|part| (part.first_seq, part.last_seq, part.state)).collect()
}

/// Waits until the keeper has come so far.
async fn until(world: &World, n_parts: usize, state: SegmentState) {
    let began = Instant::now();
    loop {
        let parts = parts(world).await;
        if parts.len() >= n_parts && parts.iter().all(|(.., own)| *own == state) {
            return;
        }
        assert!(began.elapsed() < WITHIN, "{parts:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn old_entries_are_sealed_and_are_still_read_and_verified() {
    let world = World::with(SMALL).await;
    world.record(35).await;
    until(&world, 3, SegmentState::Sealed).await;
    assert_eq!(world.audit.0.store.count_audit_rows("change").await.unwrap(), 5);
    let shown = world.shown().await;
    assert_eq!(shown.iter().map(|one| one.seq).collect::<Vec<_>>(), (1..=35).collect::<Vec<_>>());
    assert_eq!(world.said().await, "whole (agrees)");
    let blob = world.audit.0.store.blobs().get(BlobKind::Audit, "change-11").await.unwrap().unwrap();
    assert!(!blob.windows(7).any(|window| window == b"secrets"), "it is encrypted");
    let world = world.restart().await;
    assert_eq!(at(&world.shown().await), at(&shown));
    world.stop().await;
}

#[tokio::test]
async fn what_is_old_is_sealed_also_where_it_is_little() {
    let world = World::with(AuditConfig { segment_age: Duration::from_millis(1), ..CONFIG }).await;
    // The time of these entries is years ago.
    world.record(3).await;
    until(&world, 1, SegmentState::Sealed).await;
    world.record(1).await;
    assert_eq!(world.said().await, "whole (agrees)");
    world.stop().await;
}

#[tokio::test]
async fn parts_whose_time_is_over_are_forgotten_and_the_chain_goes_on() {
    let world = World::with(AuditConfig { changes: Duration::from_secs(60), ..SMALL }).await;
    world.record(25).await;
    until(&world, 2, SegmentState::Gone).await;
    assert_eq!(world.audit.0.store.blobs().list(BlobKind::Audit).await.unwrap(), Vec::<String>::new());
    let report = world.audit.verify(&[]).await.unwrap();
    assert_eq!((said(&report).as_str(), report.chains[0].entries, report.chains[0].expired), ("whole (agrees)", 5, 20));
    assert_eq!(world.shown().await[0].seq, 21);
    world.stop().await;
}

#[tokio::test]
async fn a_part_that_is_taken_away_changed_or_called_forgotten_is_found() {
    for (touch, expected) in [
        ("remove", "change 1 to 10: this sealed part is missing or was changed (agrees)"),
        ("change", "change 1 to 10: this sealed part is missing or was changed (agrees)"),
        (
            "UPDATE audit_segments SET state = 'gone'",
            "change 1 to 10: this sealed part is missing or was changed (agrees)",
        ),
        ("DELETE FROM audit_segments", "change 1 to 10: was removed (agrees)"),
    ] {
        let world = World::with(SMALL).await;
        world.record(15).await;
        until(&world, 1, SegmentState::Sealed).await;
        let blobs = world.audit.0.store.blobs().clone();
        match touch {
            "remove" => blobs.delete(BlobKind::Audit, "change-1").await.unwrap(),
            "change" => blobs.put(BlobKind::Audit, "change-1", b"forged".to_vec()).await.unwrap(),
            sql => world.sql(sql).await,
        }
        assert_eq!(world.said().await, expected, "{touch}");
        world.stop().await;
    }
}

/// A crash before each step leaves what the next process takes up.
#[tokio::test]
async fn each_step_of_sealing_can_be_cut_off_and_is_done_again() {
    for step in ["planned", "written", "expired"] {
        let world = World::new().await;
        world.record(15).await;
        let (store, keys) = (world.audit.0.store.clone(), keys());
        let rows = store.oldest_audit_rows("change", 10).await.unwrap();
        let plan = segment::plan(&keys, "change", &keys.genesis("change"), &rows).unwrap();
        assert!(store.plan_audit_segment(&plan).await.unwrap());
        if step != "planned" {
            let sealed = segment::seal(&keys, &plan, &rows).unwrap();
            store.blobs().put(BlobKind::Audit, "change-1", sealed).await.unwrap();
        }
        if step == "expired" {
            for (from, to) in
                [(SegmentState::Planned, SegmentState::Sealed), (SegmentState::Sealed, SegmentState::Expired)]
            {
                let part = segment::in_state(&keys, plan.clone(), to);
                assert!(store.move_audit_segment(from, &part).await.unwrap());
            }
        }
        drop(store);
        assert_eq!(world.said().await, "whole (agrees)", "{step}");
        let world = world.restart().await;
        until(&world, 1, if step == "expired" { SegmentState::Gone } else { SegmentState::Sealed }).await;
        assert_eq!(world.said().await, "whole (agrees)", "{step}");
        let n_blobs = world.audit.0.store.blobs().list(BlobKind::Audit).await.unwrap().len();
        assert_eq!(n_blobs, usize::from(step != "expired"), "{step}");
        world.stop().await;
    }
}

/// What somebody took away before it was sealed does not stop the sealing, nor is it hidden by it.
#[tokio::test]
async fn rows_that_are_missing_when_they_are_sealed_are_still_missed() {
    let world = World::new().await;
    world.record(15).await;
    world.sql("DELETE FROM audit_entries WHERE seq IN (1, 4)").await;
    let dir = world.stop().await;
    let world = World { audit: open(dir.path(), SMALL).await, dir };
    until(&world, 1, SegmentState::Sealed).await;
    assert_eq!(world.said().await, "change 1: was removed; change 4: was removed (agrees)");
    world.stop().await;
}
