//! Which nodes share the rows. Each start of a node has an id of its own, and says every few
//! seconds that it lives. One that is silent for too long has ended: what it held is taken from
//! it, and it can write nothing more under that id, however late it wakes.

use std::time::Duration;

use arc_swap::ArcSwap;
use sophia_domain::NodeId;
use sqlx::{Any, AnyPool, AssertSqlSafe, Transaction};

use crate::{Store, StoreError, database::Database, transaction::Area};

/// How often a node says that it lives.
pub const BEAT_EVERY: Duration = Duration::from_secs(3);

/// How long it may be silent: four beats, and a second for a slow one.
pub const SILENCE: Duration = Duration::from_secs(13);

/// How long an ended node's row stays, for whoever looks at what happened.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// What a beat found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Whether this node still counts as alive. If not, everything that it held was taken.
    pub is_alive: bool,
    /// Nodes that live, this one included.
    pub n_alive: u64,
    /// Nodes that this beat found silent for too long.
    pub ended: Vec<NodeId>,
}

/// The id under which this node writes; another one once it was taken for dead.
#[derive(Debug)]
pub(crate) struct Membership(ArcSwap<NodeId>);

impl Membership {
    /// Begins to live. Where the rows are this node's alone, every earlier start has ended.
    pub(crate) async fn join(pool: &AnyPool, database: Database) -> Result<Self, StoreError> {
        if database == Database::Sqlite {
            sqlx::query("UPDATE nodes SET ended = 1 WHERE ended = 0").execute(pool).await?;
        }
        Ok(Self(ArcSwap::from_pointee(insert(pool, database).await?)))
    }
}

impl Store {
    /// The id of this start of this node.
    pub fn node(&self) -> NodeId {
        NodeId::clone(&self.membership().0.load())
    }

    /// Says that this node lives, and takes for dead who is silent for too long.
    pub async fn beat(&self) -> Result<Beat, StoreError> {
        let now = self.database().now_micros();
        let mut transaction = self.write(Area::Nodes).await?;
        let own = format!("UPDATE nodes SET beat_micros = {now} WHERE id = $1 AND ended = 0");
        let own =
            sqlx::query(AssertSqlSafe(own)).bind(self.node().as_str().to_owned()).execute(&mut *transaction).await?;
        let silent = format!("UPDATE nodes SET ended = 1 WHERE ended = 0 AND beat_micros < {now} - $1 RETURNING id");
        let ended: Vec<(String,)> =
            sqlx::query_as(AssertSqlSafe(silent)).bind(micros(SILENCE)).fetch_all(&mut *transaction).await?;
        let forgotten = format!("DELETE FROM nodes WHERE ended = 1 AND beat_micros < {now} - $1");
        sqlx::query(AssertSqlSafe(forgotten)).bind(micros(REMEMBERED)).execute(&mut *transaction).await?;
        let (n_alive,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM nodes WHERE ended = 0").fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Beat {
            is_alive: own.rows_affected() == 1,
            n_alive: n_alive.unsigned_abs(),
            ended: ended.into_iter().map(|(id,)| id.into()).collect(),
        })
    }

    /// Lives again under a new id, after it was taken for dead.
    pub async fn rejoin(&self) -> Result<NodeId, StoreError> {
        let id = insert(self.pool(), self.database()).await?;
        self.membership().0.store(id.clone().into());
        Ok(id)
    }

    /// Stops living, so that nobody waits for its silence. What it still held is taken from it.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE nodes SET ended = 1 WHERE id = $1");
        query.bind(self.node().as_str().to_owned()).execute(self.pool()).await?;
        Ok(())
    }

    /// Lets a transaction go on only while a start of this node lives, and lets nobody take it for
    /// dead before the transaction ends.
    pub(crate) async fn fence(
        &self,
        transaction: &mut Transaction<'static, Any>,
        node: &NodeId,
    ) -> Result<(), StoreError> {
        let sql = match self.database() {
            Database::Sqlite => "SELECT id FROM nodes WHERE id = $1 AND ended = 0",
            Database::Postgres => "SELECT id FROM nodes WHERE id = $1 AND ended = 0 FOR SHARE",
        };
        let own: Option<(String,)> = sqlx::query_as(sql).bind(node.as_str()).fetch_optional(&mut **transaction).await?;
        own.map(|_| ()).ok_or(StoreError::Fenced)
    }
}

async fn insert(pool: &AnyPool, database: Database) -> Result<NodeId, StoreError> {
    let id = NodeId::from(format!("{:016x}", fastrand::u64(..)));
    let now = database.now_micros();
    let sql = format!("INSERT INTO nodes (id, began_micros, beat_micros, ended) VALUES ($1, {now}, {now}, 0)");
    sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).execute(pool).await?;
    Ok(id)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    async fn silence(store: &Store) {
        let query = sqlx::query("UPDATE nodes SET beat_micros = beat_micros - $1 WHERE id = $2");
        query.bind(micros(SILENCE) + 1_000_000).bind(store.node().as_str()).execute(store.pool()).await.unwrap();
    }

    #[rstest]
    #[tokio::test]
    async fn a_silent_node_is_taken_for_dead_and_writes_nothing_more(
        #[values(Column::Sqlite, Column::Postgres)] column: Column,
    ) {
        let place = Place::of(column);
        let store = place.open().await;
        let first = store.node();
        assert_eq!(store.beat().await.unwrap(), Beat { is_alive: true, n_alive: 1, ended: vec![] });
        store.fence(&mut store.append().await.unwrap(), &first).await.unwrap();

        silence(&store).await;
        store.rejoin().await.unwrap();
        assert_eq!(store.beat().await.unwrap(), Beat { is_alive: true, n_alive: 1, ended: vec![first.clone()] });
        let fenced = store.fence(&mut store.append().await.unwrap(), &first).await;
        assert!(matches!(fenced, Err(StoreError::Fenced)), "{fenced:?}");
    }

    #[rstest]
    #[tokio::test]
    async fn a_node_that_left_is_not_alive(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let store = place.open().await;
        store.leave().await.unwrap();
        assert_eq!(store.beat().await.unwrap(), Beat { is_alive: false, n_alive: 0, ended: vec![] });
    }
}
