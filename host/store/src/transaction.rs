use sqlx::{Sqlite, Transaction};

use crate::{Store, StoreError};

impl Store {
    /// Begins a transaction that writes. Taking the write lock at once lets it wait for others;
    /// SQLite would refuse to upgrade a transaction that began by reading.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool().begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// The present, as it stands in rows: RFC 3339 in UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}
