use rstest::rstest;

use super::*;
use crate::{
    BlobKind,
    columns::{Column, Place},
};

fn row(seq: i64) -> AuditRow {
    AuditRow {
        seq,
        at_micros: seq,
        tenant: (seq % 2 == 0).then(|| "main".to_owned()),
        actor: None,
        action: "PUT /v1/plugins/{name}".to_owned(),
        resource: Some("/v1/plugins/hello".to_owned()),
        outcome: "done".to_owned(),
        status: Some(200),
        count: 1,
        request_id: None,
        peer: None,
        detail: None,
        mac: vec![u8::try_from(seq % 256).unwrap(); 32],
    }
}

fn head(chain: &str, seq: i64) -> AuditHeadRow {
    AuditHeadRow { chain: chain.to_owned(), seq, mac: vec![1], seal: vec![2] }
}

fn segment(first_seq: i64, last_seq: i64, state: SegmentState) -> AuditSegmentRow {
    AuditSegmentRow {
        chain: "change".to_owned(),
        first_seq,
        last_seq,
        from_micros: first_seq,
        to_micros: last_seq,
        before_mac: vec![3],
        last_mac: vec![4],
        state,
        seal: state.as_str().as_bytes().to_vec(),
    }
}

/// Adds so many entries behind the end of a chain.
async fn add(store: &Store, chain: &str, n: i64) {
    let link = |heads: Vec<AuditHeadRow>| {
        let last = heads.iter().find(|head| head.chain == chain).map_or(0, |head| head.seq);
        let rows = (last + 1..=last + n).map(|seq| (chain.to_owned(), row(seq))).collect();
        Ok::<_, ()>(AuditAddition { rows, heads: vec![head(chain, last + n)] })
    };
    store.append_audit(link).await.unwrap().unwrap();
}

fn places(part: AuditPart) -> Vec<i64> {
    match part {
        AuditPart::Rows(rows) => rows.iter().map(|row| row.seq).collect(),
        AuditPart::Segment(segment) => panic!("{segment:?}"),
    }
}

#[rstest]
#[tokio::test]
async fn entries_are_added_behind_the_end_of_their_chain_and_read_as_they_were_written(
    #[values(Column::Sqlite, Column::Postgres)] column: Column,
) {
    let place = Place::of(column);
    let store = place.open().await;
    add(&store, "change", 300).await;
    add(&store, "refusal", 1).await;
    add(&store, "change", 2).await;
    assert_eq!(store.audit_head("change").await.unwrap(), Some(head("change", 302)));
    assert_eq!(store.audit_head("other").await.unwrap(), None);
    assert_eq!(store.count_audit_rows("change").await.unwrap(), 302);
    let AuditPart::Rows(rows) = store.audit_part("change", 200, 3).await.unwrap() else { panic!() };
    assert_eq!(rows, [row(201), row(202), row(203)]);
    assert_eq!(store.audit_row("change", 302).await.unwrap(), Some(row(302)));
    assert_eq!(store.audit_row("refusal", 2).await.unwrap(), None);
    assert_eq!(store.audit_beyond("change").await.unwrap(), None);
    sqlx::query("UPDATE audit_heads SET seq = 300").execute(store.pool()).await.unwrap();
    assert_eq!(store.audit_beyond("change").await.unwrap(), Some(301));
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_linked_or_stands_twice_adds_nothing(
    #[values(Column::Sqlite, Column::Postgres)] column: Column,
) {
    let place = Place::of(column);
    let store = place.open().await;
    add(&store, "change", 2).await;
    assert_eq!(store.append_audit(|_| Err("no")).await.unwrap(), Err("no"));
    let rows = vec![("change".to_owned(), row(3)), ("change".to_owned(), row(2))];
    let twice = AuditAddition { rows, heads: vec![head("change", 3)] };
    store.append_audit(|_| Ok::<_, ()>(twice)).await.unwrap_err();
    assert_eq!(store.count_audit_rows("change").await.unwrap(), 2);
    assert_eq!(store.audit_head("change").await.unwrap(), Some(head("change", 2)));
}

#[rstest]
#[tokio::test]
async fn a_segment_takes_the_place_of_its_rows_step_by_step(
    #[values(Column::Sqlite, Column::Postgres)] column: Column,
) {
    let place = Place::of(column);
    let store = place.open().await;
    add(&store, "change", 5).await;
    let plan = segment(1, 3, SegmentState::Planned);
    assert!(store.plan_audit_segment(&plan).await.unwrap());
    assert!(!store.plan_audit_segment(&segment(1, 4, SegmentState::Planned)).await.unwrap());
    assert_eq!(places(store.audit_part("change", 0, 10).await.unwrap()), [1, 2, 3, 4, 5], "a plan hides nothing");
    let sealed = segment(1, 3, SegmentState::Sealed);
    assert!(!store.move_audit_segment(SegmentState::Sealed, &sealed).await.unwrap());
    assert!(store.move_audit_segment(SegmentState::Planned, &sealed).await.unwrap());
    assert!(!store.move_audit_segment(SegmentState::Planned, &sealed).await.unwrap());
    assert_eq!(store.audit_part("change", 0, 10).await.unwrap(), AuditPart::Segment(sealed.clone()));
    assert_eq!(store.audit_part("change", 2, 10).await.unwrap(), AuditPart::Segment(sealed.clone()));
    assert_eq!(places(store.audit_part("change", 3, 10).await.unwrap()), [4, 5]);
    assert_eq!(places(store.audit_part("change", 5, 10).await.unwrap()), Vec::<i64>::new());
    let gone = segment(1, 3, SegmentState::Gone);
    assert!(store.move_audit_segment(SegmentState::Sealed, &gone).await.unwrap());
    assert_eq!(store.audit_segments("change").await.unwrap(), [gone]);
}

#[rstest]
#[tokio::test]
async fn what_stands_before_a_segment_is_not_passed_over(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let place = Place::of(column);
    let store = place.open().await;
    add(&store, "change", 5).await;
    let mut connection = store.pool().acquire().await.unwrap();
    sqlx::query("DELETE FROM audit_entries WHERE seq = 3").execute(&mut *connection).await.unwrap();
    drop(connection);
    store.plan_audit_segment(&segment(3, 3, SegmentState::Sealed)).await.unwrap();
    assert_eq!(places(store.audit_part("change", 0, 10).await.unwrap()), [1, 2]);
    assert!(matches!(store.audit_part("change", 2, 10).await.unwrap(), AuditPart::Segment(_)));
    assert_eq!(places(store.audit_part("change", 3, 10).await.unwrap()), [4, 5]);
}

#[rstest]
#[tokio::test]
async fn the_sweep_leaves_segments_alone(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let place = Place::of(column);
    let store = place.open().await;
    store.blobs().put(BlobKind::Audit, "change-1", b"sealed".to_vec()).await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.blobs().list(BlobKind::Audit).await.unwrap(), ["change-1"]);
}
