//! The chains on a real store: what is written, what fails, what a restart finds.

use std::path::PathBuf;

use jiff::Timestamp;
use sophia_domain::RequestId;
use sophia_store::BlobKind;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::{keys::tests::keys, link::tests::entry, *};

mod keeping;
mod reading;
mod tampering;

const WITHIN: Duration = Duration::from_secs(30);

/// The entries of these tests are of 2023.
const LONG: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

const CONFIG: AuditConfig = AuditConfig { segment_entries: 1_000, segment_age: LONG, changes: LONG, refusals: LONG };

/// A data directory, and the chains in it while they are open.
struct World {
    dir: TempDir,
    audit: Audit,
}

impl World {
    async fn new() -> Self {
        Self::with(CONFIG).await
    }

    async fn with(config: AuditConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { audit: open(dir.path(), config).await, dir }
    }

    /// Ends the process that has it open, and begins another.
    async fn restart(self) -> Self {
        let dir = self.stop().await;
        Self { audit: open(dir.path(), CONFIG).await, dir }
    }

    async fn stop(self) -> TempDir {
        self.audit.drain(WITHIN).await.unwrap();
        self.dir
    }

    async fn record(&self, n: usize) {
        for nth in 0..n {
            self.audit.record(entry(Class::Change, &format!("name-{nth}"))).await.unwrap();
        }
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("sophia.db")
    }

    /// Does something to the database beside the node.
    async fn sql(&self, sql: &'static str) {
        let url = format!("sqlite://{}", self.database().display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    }

    /// What verification says, in short.
    async fn said(&self) -> String {
        said(&self.audit.verify(&[]).await.unwrap())
    }

    async fn shown(&self) -> Vec<Shown> {
        self.audit.page(&AuditFilter::default(), None, 1_000).await.unwrap().entries
    }
}

async fn open(dir: &Path, config: AuditConfig) -> Audit {
    Audit::open(Store::open(dir).await.unwrap(), keys(), dir, config).await.unwrap()
}

fn said(report: &Report) -> String {
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    let said = if faults.is_empty() { "whole".to_owned() } else { faults.join("; ") };
    assert_eq!(report.whole, faults.is_empty() && report.witness != "damaged");
    format!("{said} ({})", report.witness)
}

fn refusal(name: &str) -> Refusal {
    Refusal {
        caller: None,
        peer: [127, 0, 0, 1].into(),
        action: "GET /v1/plugins/{name}".into(),
        resource: format!("/v1/plugins/{name}"),
        status: 401,
        reason: "key-wrong".into(),
        request_id: RequestId::from_bits(1),
    }
}

#[tokio::test]
async fn what_is_recorded_is_there_after_a_restart_and_verifies() {
    let world = World::new().await;
    world.record(3).await;
    for _ in 0..5 {
        world.audit.refused(refusal("hello"));
    }
    let world = world.restart().await;
    let shown = world.shown().await;
    let words: Vec<_> = shown.iter().map(|one| (one.class, one.seq, one.count, one.outcome.as_str())).collect();
    assert_eq!(
        words,
        [("change", 1, 1, "done"), ("change", 2, 1, "done"), ("change", 3, 1, "done"), ("refusal", 1, 5, "refused")]
    );
    assert_eq!(world.said().await, "whole (agrees)");
    world.stop().await;
}

#[tokio::test]
async fn a_crowd_is_written_in_few_transactions_and_everybody_is_told() {
    let world = World::new().await;
    let crowd: Vec<_> = (0..500)
        .map(|nth| {
            let audit = world.audit.clone();
            tokio::spawn(async move { audit.record(entry(Class::Change, &nth.to_string())).await })
        })
        .collect();
    for one in crowd {
        one.await.unwrap().unwrap();
    }
    let mut resources: Vec<_> = world.shown().await.into_iter().filter_map(|one| one.resource).collect();
    resources.sort();
    resources.dedup();
    assert_eq!(resources.len(), 500);
    assert_eq!(world.said().await, "whole (agrees)");
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_is_written_within_a_second_without_anybody_waiting() {
    let world = World::new().await;
    let began = Instant::now();
    world.audit.refused(refusal("hello"));
    while world.shown().await.is_empty() {
        assert!(began.elapsed() < WITHIN);
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    world.stop().await;
}

#[tokio::test]
async fn where_the_store_fails_a_change_is_refused_and_what_was_done_is_written_later() {
    let world = World::new().await;
    world.sql("ALTER TABLE audit_entries RENAME TO elsewhere").await;
    let refused = world.audit.record(entry(Class::Change, "never")).await;
    assert!(matches!(refused, Err(AuditError::Store(_))), "{refused:?}");
    let done = world.audit.conclude(entry(Class::Change, "done")).await;
    assert!(matches!(done, Err(AuditError::Store(_))), "{done:?}");
    world.audit.conclude_later(entry(Class::Change, "left"));
    world.audit.refused(refusal("hello"));
    world.sql("ALTER TABLE elsewhere RENAME TO audit_entries").await;
    let world = world.restart().await;
    let mut resources: Vec<_> = world.shown().await.into_iter().filter_map(|one| one.resource).collect();
    resources.sort();
    assert_eq!(resources, ["/v1/plugins/hello", "/v1/secrets/done", "/v1/secrets/left"]);
    assert_eq!(world.said().await, "whole (agrees)");
    world.stop().await;
}

#[tokio::test]
async fn nothing_is_added_behind_an_end_that_is_not_ours() {
    let world = World::new().await;
    world.record(3).await;
    world.sql("UPDATE audit_heads SET seq = 2").await;
    let refused = world.audit.record(entry(Class::Change, "more")).await;
    assert!(matches!(refused, Err(AuditError::Foreign(_))), "{refused:?}");
    world.stop().await;
}

#[tokio::test]
async fn after_the_drain_everything_is_refused() {
    let world = World::new().await;
    let audit = world.audit.clone();
    world.stop().await;
    let refused = audit.record(entry(Class::Change, "late")).await;
    assert!(matches!(refused, Err(AuditError::Closed)), "{refused:?}");
    audit.drain(WITHIN).await.unwrap();
}

#[tokio::test]
async fn a_drain_that_cannot_write_says_so() {
    let world = World::new().await;
    world.sql("DROP TABLE audit_entries").await;
    world.audit.refused(refusal("hello"));
    let undrained = world.audit.drain(Duration::from_millis(10)).await;
    assert!(matches!(undrained, Err(AuditError::Undrained)), "{undrained:?}");
}

/// Times of entries as they were before.
fn at(entries: &[Shown]) -> Vec<Option<Timestamp>> {
    entries.iter().map(|one| one.at).collect()
}
