//! The audit chain rests here: entries, what each chain ends with, and what was moved into segments.
//!
//! The store does not know how entries are linked; it adds what it is given, alone in the area of
//! the audit, so that on several nodes a chain still grows at one end only.

use sqlx::{Any, AnyConnection, FromRow, Transaction, any::AnyRow};

use crate::{Store, StoreError, statement::Statement, transaction::Area};

/// An entry at its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, serde::Serialize, serde::Deserialize)]
pub struct AuditRow {
    /// Its place, from 1.
    pub seq: i64,
    /// When it happened: microseconds since 1970 in UTC.
    pub at_micros: i64,
    /// Whose data it was about.
    pub tenant: Option<String>,
    /// The key that was sent.
    pub actor: Option<String>,
    /// The method and the route.
    pub action: String,
    /// What it was about.
    pub resource: Option<String>,
    /// How far it had come.
    pub outcome: String,
    /// The HTTP status of the answer.
    pub status: Option<i64>,
    /// How many equal ones it stands for.
    pub count: i64,
    /// The request.
    pub request_id: Option<String>,
    /// Where it came from.
    pub peer: Option<String>,
    /// Why it was not done.
    pub detail: Option<String>,
    /// What links it to the one before.
    #[serde(with = "hex")]
    pub mac: Vec<u8>,
}

/// What a chain ends with.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AuditHeadRow {
    /// The chain.
    pub chain: String,
    /// The place of its last entry.
    pub seq: i64,
    /// That entry's MAC.
    pub mac: Vec<u8>,
    /// What says that this is the end.
    pub seal: Vec<u8>,
}

/// A part of a chain that is, or is about to be, in a blob of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSegmentRow {
    /// The chain.
    pub chain: String,
    /// The place of its first entry.
    pub first_seq: i64,
    /// The place of its last one.
    pub last_seq: i64,
    /// When the earliest of them happened.
    pub from_micros: i64,
    /// When the latest did.
    pub to_micros: i64,
    /// The MAC of the entry before the first.
    pub before_mac: Vec<u8>,
    /// The MAC of the last.
    pub last_mac: Vec<u8>,
    /// How far it has come.
    pub state: SegmentState,
    /// What says all this.
    pub seal: Vec<u8>,
}

/// How far a segment has come. Each step can be repeated, and is, after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// Its range is fixed. Its entries are rows; its blob may be there.
    Planned,
    /// Its entries are in the blob, and no rows any more.
    Sealed,
    /// Its time is over. Its blob may still be there.
    Expired,
    /// Its blob is gone. The row stays, so that the chain goes on.
    Gone,
}

/// What stands after a place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditPart {
    /// Entries; none where the chain ends there.
    Rows(Vec<AuditRow>),
    /// A segment.
    Segment(AuditSegmentRow),
}

/// What is to be added to chains: new entries, and what each chain ends with then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditAddition {
    /// By chain, in the order of their places.
    pub rows: Vec<(String, AuditRow)>,
    /// Of each chain that has new entries.
    pub heads: Vec<AuditHeadRow>,
}

/// Rows in one statement: 14 values each, and SQLite takes 32,766 of them.
const ROWS_PER_STATEMENT: usize = 128;

const ROW: &str =
    "seq, at_micros, tenant, actor, action, resource, outcome, status, count, request_id, peer, detail, mac";

const SEGMENT: &str = "chain, first_seq, last_seq, from_micros, to_micros, before_mac, last_mac, state, seal";

impl SegmentState {
    const ALL: [Self; 4] = [Self::Planned, Self::Sealed, Self::Expired, Self::Gone];

    /// As it stands in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sealed => "sealed",
            Self::Expired => "expired",
            Self::Gone => "gone",
        }
    }
}

impl Store {
    /// Adds entries, in one transaction. `link` is given what the chains end with, and gives the
    /// rows, or what stops it; then nothing is added.
    pub async fn append_audit<E>(
        &self,
        link: impl FnOnce(Vec<AuditHeadRow>) -> Result<AuditAddition, E> + Send,
    ) -> Result<Result<Vec<AuditHeadRow>, E>, StoreError> {
        let mut transaction = self.write(Area::Audit).await?;
        let heads = sqlx::query_as("SELECT chain, seq, mac, seal FROM audit_heads").fetch_all(&mut *transaction);
        let addition = match link(heads.await?) {
            Ok(addition) => addition,
            Err(error) => return Ok(Err(error)),
        };
        for rows in addition.rows.chunks(ROWS_PER_STATEMENT) {
            insert(&mut transaction, rows).await?;
        }
        for head in &addition.heads {
            put_head(&mut transaction, head).await?;
        }
        transaction.commit().await?;
        Ok(Ok(addition.heads))
    }

    /// What a chain ends with; none where it has no entry.
    pub async fn audit_head(&self, chain: &str) -> Result<Option<AuditHeadRow>, StoreError> {
        let head = sqlx::query_as("SELECT chain, seq, mac, seal FROM audit_heads WHERE chain = $1");
        Ok(head.bind(chain).fetch_optional(self.pool()).await?)
    }

    /// The first place behind a chain's end that has an entry, which none should have.
    pub async fn audit_beyond(&self, chain: &str) -> Result<Option<i64>, StoreError> {
        let beyond = sqlx::query_scalar(
            "SELECT MIN(seq) FROM audit_entries
             WHERE chain = $1 AND seq > COALESCE((SELECT seq FROM audit_heads WHERE chain = $1), 0)",
        );
        Ok(beyond.bind(chain).fetch_one(self.pool()).await?)
    }

    /// What stands after a place in a chain: a segment, or at most so many entries.
    pub async fn audit_part(&self, chain: &str, after: i64, most: u32) -> Result<AuditPart, StoreError> {
        // Rows first: what is sealed between the two is then seen as a segment, and nothing is missed.
        let mut rows: Vec<AuditRow> = rows(self, chain, (after, i64::MAX), most).await?;
        let mut query = Statement::new(&format!("SELECT {SEGMENT} FROM audit_segments WHERE chain = "));
        query.bind(chain)?.push(" AND state <> 'planned' AND last_seq > ").bind(after)?;
        query.push(" ORDER BY first_seq LIMIT 1");
        let segment: Option<AuditSegmentRow> = query.query_as().fetch_optional(self.pool()).await?;
        let Some(segment) = segment else { return Ok(AuditPart::Rows(rows)) };
        rows.retain(|row| row.seq < segment.first_seq);
        Ok(if rows.is_empty() { AuditPart::Segment(segment) } else { AuditPart::Rows(rows) })
    }

    /// An entry that is still a row.
    pub async fn audit_row(&self, chain: &str, seq: i64) -> Result<Option<AuditRow>, StoreError> {
        Ok(rows(self, chain, (seq - 1, seq), 1).await?.pop())
    }

    /// The oldest entries that are rows, at most so many.
    pub async fn oldest_audit_rows(&self, chain: &str, most: u32) -> Result<Vec<AuditRow>, StoreError> {
        rows(self, chain, (0, i64::MAX), most).await
    }

    /// How many entries of a chain are rows.
    pub async fn count_audit_rows(&self, chain: &str) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM audit_entries WHERE chain = $1");
        Ok(count.bind(chain).fetch_one(self.pool()).await?)
    }

    /// The segments of a chain in its order.
    pub async fn audit_segments(&self, chain: &str) -> Result<Vec<AuditSegmentRow>, StoreError> {
        let mut query = Statement::new(&format!("SELECT {SEGMENT} FROM audit_segments WHERE chain = "));
        query.bind(chain)?.push(" ORDER BY first_seq");
        Ok(query.query_as().fetch_all(self.pool()).await?)
    }

    /// Fixes the range of a segment, before its blob is written: so no blob is ever without a row.
    /// Of several nodes one does; the others leave it to that one's plan.
    pub async fn plan_audit_segment(&self, segment: &AuditSegmentRow) -> Result<bool, StoreError> {
        let mut insert = Statement::new(&format!("INSERT INTO audit_segments ({SEGMENT}) VALUES ("));
        insert.bind(segment.chain.as_str())?;
        for number in [segment.first_seq, segment.last_seq, segment.from_micros, segment.to_micros] {
            insert.push(", ").bind(number)?;
        }
        for mac in [&segment.before_mac, &segment.last_mac] {
            insert.push(", ").bind(mac.clone())?;
        }
        insert.push(", ").bind(segment.state.as_str())?.push(", ").bind(segment.seal.clone())?;
        insert.push(") ON CONFLICT DO NOTHING");
        Ok(insert.query().execute(self.pool()).await?.rows_affected() == 1)
    }

    /// Takes a segment a step further. With its entries in the blob, their rows go in the same
    /// transaction. False where another node has taken it.
    pub async fn move_audit_segment(&self, from: SegmentState, to: &AuditSegmentRow) -> Result<bool, StoreError> {
        let mut transaction = self.write(Area::Audit).await?;
        let moved = sqlx::query(
            "UPDATE audit_segments SET state = $1, seal = $2 WHERE chain = $3 AND first_seq = $4 AND state = $5",
        )
        .bind(to.state.as_str())
        .bind(to.seal.clone())
        .bind(to.chain.as_str())
        .bind(to.first_seq)
        .bind(from.as_str())
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        if to.state == SegmentState::Sealed {
            sqlx::query("DELETE FROM audit_entries WHERE chain = $1 AND seq BETWEEN $2 AND $3")
                .bind(to.chain.as_str())
                .bind(to.first_seq)
                .bind(to.last_seq)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Entries after the first place and up to the second.
async fn rows(store: &Store, chain: &str, (after, to): (i64, i64), most: u32) -> Result<Vec<AuditRow>, StoreError> {
    let mut query = Statement::new(&format!("SELECT {ROW} FROM audit_entries WHERE chain = "));
    query.bind(chain)?.push(" AND seq > ").bind(after)?.push(" AND seq <= ").bind(to)?;
    query.push(" ORDER BY seq LIMIT ").bind(i64::from(most))?;
    Ok(query.query_as().fetch_all(store.pool()).await?)
}

async fn insert(transaction: &mut Transaction<'_, Any>, rows: &[(String, AuditRow)]) -> Result<(), StoreError> {
    let mut insert = Statement::new(&format!("INSERT INTO audit_entries (chain, {ROW}) VALUES "));
    for (nth, (chain, row)) in rows.iter().enumerate() {
        insert.push(if nth == 0 { "(" } else { ", (" }).bind(chain.as_str())?;
        insert.push(", ").bind(row.seq)?.push(", ").bind(row.at_micros)?;
        insert.push(", ").bind(row.tenant.as_deref())?.push(", ").bind(row.actor.as_deref())?;
        insert.push(", ").bind(row.action.as_str())?.push(", ").bind(row.resource.as_deref())?;
        insert.push(", ").bind(row.outcome.as_str())?.push(", ").bind(row.status)?.push(", ").bind(row.count)?;
        insert.push(", ").bind(row.request_id.as_deref())?.push(", ").bind(row.peer.as_deref())?;
        insert.push(", ").bind(row.detail.as_deref())?.push(", ").bind(row.mac.clone())?.push(")");
    }
    insert.query().execute(&mut **transaction).await?;
    Ok(())
}

async fn put_head(connection: &mut AnyConnection, head: &AuditHeadRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit_heads (chain, seq, mac, seal) VALUES ($1, $2, $3, $4)
         ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, mac = excluded.mac, seal = excluded.seal",
    )
    .bind(head.chain.as_str())
    .bind(head.seq)
    .bind(head.mac.clone())
    .bind(head.seal.clone())
    .execute(connection)
    .await?;
    Ok(())
}

impl<'r> FromRow<'r, AnyRow> for AuditSegmentRow {
    fn from_row(row: &'r AnyRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row;
        let word: String = row.try_get("state")?;
        let state = SegmentState::ALL.into_iter().find(|state| state.as_str() == word);
        Ok(Self {
            chain: row.try_get("chain")?,
            first_seq: row.try_get("first_seq")?,
            last_seq: row.try_get("last_seq")?,
            from_micros: row.try_get("from_micros")?,
            to_micros: row.try_get("to_micros")?,
            before_mac: row.try_get("before_mac")?,
            last_mac: row.try_get("last_mac")?,
            state: state.ok_or_else(|| sqlx::Error::Decode("a segment's state".into()))?,
            seal: row.try_get("seal")?,
        })
    }
}

#[cfg(test)]
mod tests;
