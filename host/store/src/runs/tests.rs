use rstest::rstest;
use sophia_domain::{Blame, Digest, Tokens, Usd};

use super::*;
use crate::columns::{Column, Place};

fn run(id: &str) -> RunRef {
    RunRef { tenant: TenantId::main(), id: id.into() }
}

fn new(id: &str, name: Option<&str>) -> NewRun {
    NewRun {
        run: run(id),
        pattern: "code-review".parse().unwrap(),
        digest: Digest::of(b"code"),
        key: "operator".into(),
        arguments: r#"{"diff":""}"#.into(),
        budget: Usd::dollars(1),
        idempotency_key: name.map(str::to_owned),
        request_digest: Digest::of(id.as_bytes()),
        started_micros: 7,
    }
}

fn event(seq: u64, kind: &str) -> EventRow {
    EventRow { seq, kind: kind.into(), ..EventRow::default() }
}

async fn store(column: Column) -> (Place, Store) {
    let place = Place::of(column);
    let store = place.open().await;
    (place, store)
}

async fn write(store: &Store, id: &str, writes: Vec<RunWrite>) {
    let writes: Vec<_> = writes.into_iter().map(|write| (run(id), write)).collect();
    store.write_runs(&writes).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_name_starts_one_run(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let (_dir, store) = store(column).await;
    assert_eq!(store.start_run(&new("a", Some("k")), &event(1, "swarm_start")).await.unwrap(), Started::New);
    let Started::Before(first) = store.start_run(&new("b", Some("k")), &event(1, "swarm_start")).await.unwrap() else {
        panic!("started twice");
    };
    assert_eq!(first.new, new("a", Some("k")));
    assert_eq!(store.run(&run("b")).await.unwrap(), None);
    for id in ["c", "d"] {
        assert_eq!(store.start_run(&new(id, None), &event(1, "swarm_start")).await.unwrap(), Started::New);
    }
    let ids = |rows: Vec<RunRow>| rows.iter().map(|row| row.new.run.id.as_str().to_owned()).collect::<Vec<_>>();
    let all = store.runs(&TenantId::main(), &RunFilter::default(), None, 2).await.unwrap();
    let next = all.last().unwrap().number;
    assert_eq!(ids(all), ["d", "c"]);
    assert_eq!(ids(store.runs(&TenantId::main(), &RunFilter::default(), Some(next), 9).await.unwrap()), ["a"]);
    assert_eq!(ids(store.adopt_runs().await.unwrap()), [""; 0], "their node lives");
    store.leave().await.unwrap();
    assert!(matches!(store.adopt_runs().await, Err(StoreError::Fenced)));
    store.rejoin().await.unwrap();
    assert_eq!(ids(store.adopt_runs().await.unwrap()), ["a", "c", "d"]);
    assert_eq!(ids(store.adopt_runs().await.unwrap()), [""; 0], "each is given once");
}

#[rstest]
#[tokio::test]
async fn keeps_a_journal_in_its_order(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let (_dir, store) = store(column).await;
    store.start_run(&new("a", None), &event(1, "swarm_start")).await.unwrap();
    let usage = StepUsage { tokens: Tokens { input: 5, cached: 1, output: 2 }, cost: Usd::from_micros(9).unwrap() };
    let row = |step, k| StepRow {
        step,
        item: 0,
        k,
        call: "models.complete".into(),
        began_micros: 1,
        ended_micros: None,
        intent: Some("{}".into()),
        answer: None,
        model: None,
        usage: None,
        error: None,
    };
    let steps = [row(1, 0), row(0, 1), row(0, 0)];
    write(&store, "a", steps.into_iter().map(|row| RunWrite::Step(Box::new(row))).collect()).await;
    let answer = StepAnswer {
        step: 0,
        item: 0,
        k: 1,
        ended_micros: 4,
        answer: r#"{"Ok":1}"#.into(),
        model: Some("smol".into()),
        usage: Some(usage),
        error: None,
    };
    write(&store, "a", vec![RunWrite::Answer(Box::new(answer.clone()))]).await;
    let rows = store.run_journal(&run("a"), None, 9).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.step, row.k)).collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0)]);
    assert_eq!((rows[1].usage, rows[1].answer.as_deref()), (Some(usage), Some(r#"{"Ok":1}"#)));
    assert_eq!(store.run_journal(&run("a"), Some((0, 0, 1)), 9).await.unwrap().len(), 1);
    let lost = StepAnswer { step: 7, ..answer };
    let lost = [(run("a"), RunWrite::Answer(Box::new(lost)))];
    assert!(matches!(store.write_runs(&lost).await, Err(StoreError::Missing("step"))));
}

#[rstest]
#[tokio::test]
async fn sums_a_timeline_from_its_rows_and_closes_once(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let (_dir, store) = store(column).await;
    store.start_run(&new("a", None), &event(1, "swarm_start")).await.unwrap();
    let cost = |seq, micros| EventRow {
        role: Some("reviewer".into()),
        cost: Usd::from_micros(micros),
        tokens: Some(10),
        ..event(seq, "cost_update")
    };
    let said = EventRow { role: Some("reviewer".into()), ..event(2, "agent_message") };
    let events = [said, cost(3, 5), cost(4, 7), event(5, "error")];
    write(&store, "a", events.into_iter().map(|row| RunWrite::Event(Box::new(row))).collect()).await;
    let totals = store.run_totals(&run("a")).await.unwrap();
    assert_eq!((totals.n_events, totals.cost.micros(), totals.tokens, totals.n_errors), (5, 12, 20, 1));
    assert_eq!((totals.roles[0].n_messages, totals.roles[0].cost.micros()), (1, 12));
    assert_eq!(store.run_events(&run("a"), 3, 9).await.unwrap().len(), 2);
    assert_eq!(store.last_run_event(&run("a")).await.unwrap(), 5);

    let closing = |status, blame| Closing {
        status,
        ended_micros: 9,
        duration_micros: 2,
        end: RunEnd { fault: Some("trap".into()), blame: Some(blame), confidence: Some(0.5), ..RunEnd::default() },
        spent: RunSpent { n_charges: 2, cost: Usd::dollars(1), ..RunSpent::default() },
    };
    write(&store, "a", vec![RunWrite::Close(Box::new(closing(RunStatus::Failed, Blame::Plugin)))]).await;
    write(&store, "a", vec![RunWrite::Close(Box::new(closing(RunStatus::Cancelled, Blame::Host)))]).await;
    let row = store.run(&run("a")).await.unwrap().unwrap();
    assert_eq!((row.status, row.end.blame, row.end.confidence), (RunStatus::Failed, Some(Blame::Plugin), Some(0.5)));
    assert_eq!((row.duration_micros, row.spent.cost), (Some(2), Usd::dollars(1)));
    store.leave().await.unwrap();
    store.rejoin().await.unwrap();
    assert!(store.adopt_runs().await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn a_run_is_written_by_its_node_alone(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let (_place, store) = store(column).await;
    store.start_run(&new("a", None), &event(1, "swarm_start")).await.unwrap();
    store.leave().await.unwrap();
    store.rejoin().await.unwrap();
    let late = [(run("a"), RunWrite::Event(Box::new(event(2, "error"))))];
    assert!(matches!(store.write_runs(&late).await, Err(StoreError::Fenced)));
    assert_eq!(store.adopt_runs().await.unwrap().len(), 1);
    store.write_runs(&late).await.unwrap();
    assert_eq!(store.last_run_event(&run("a")).await.unwrap(), 2);
}
