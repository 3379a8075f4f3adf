//! Single values of the node, such as the hash of the operator key.

use sophia_domain::TenantId;

use crate::{Store, StoreError};

impl Store {
    /// One value.
    pub async fn setting(&self, tenant: &TenantId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT value FROM settings WHERE tenant = $1 AND key = $2")
            .bind(tenant.as_str())
            .bind(key)
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|(value,)| value))
    }

    /// Keeps a value unless there is one already; says whether it was kept. Of several writers
    /// at once exactly one wins.
    pub async fn put_setting_once(&self, tenant: &TenantId, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        let inserted =
            sqlx::query("INSERT INTO settings (tenant, key, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(tenant.as_str())
                .bind(key)
                .bind(value)
                .execute(self.pool())
                .await?;
        Ok(inserted.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    #[rstest]
    #[tokio::test]
    async fn keeps_the_first_value_across_a_restart(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let tenant = TenantId::main();
        let store = place.open().await;
        assert_eq!(store.setting(&tenant, "k").await.unwrap(), None);
        assert!(store.put_setting_once(&tenant, "k", b"one").await.unwrap());
        assert!(!store.put_setting_once(&tenant, "k", b"two").await.unwrap());
        drop(store);
        let store = place.open().await;
        assert_eq!(store.setting(&tenant, "k").await.unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(store.setting(&"other".parse().unwrap(), "k").await.unwrap(), None);
    }
}
