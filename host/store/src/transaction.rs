use sqlx::{Any, Transaction};

use crate::{Store, StoreError, database::Database};

/// What a transaction has to itself, on all nodes, while it reads and then writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    /// Plugins, their versions, grants and connections.
    Plugins = 1,
    /// Keys.
    Keys = 2,
    /// Budgets.
    Ledger = 3,
    /// The names of runs.
    Runs = 4,
    /// Who lives.
    Nodes = 5,
    /// The ends of the audit chain.
    Audit = 6,
}

/// Tells our locks from others' in the same database.
const LOCKS: i32 = 0x50_48_49_41;

impl Store {
    /// Begins a transaction that reads and then writes: one at a time in its area.
    pub(crate) async fn write(&self, area: Area) -> Result<Transaction<'static, Any>, StoreError> {
        let mut transaction = self.append().await?;
        if self.database() == Database::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
                .bind(LOCKS)
                .bind(area as i32)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction)
    }

    /// Begins a transaction that only adds, or changes what nobody else does. SQLite has one at a
    /// time: taking the write lock at once lets it wait for others, where a transaction that began
    /// by reading would be refused.
    pub(crate) async fn append(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(match self.database() {
            Database::Sqlite => self.pool().begin_with("BEGIN IMMEDIATE").await?,
            Database::Postgres => self.pool().begin().await?,
        })
    }
}

/// The present, as it stands in rows: RFC 3339 in UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}
