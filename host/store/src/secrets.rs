//! The vault keeps its sealed rows here.

use jiff::Timestamp;
use sophia_domain::{SecretName, TenantId};

use crate::{Store, StoreError, generations::Topic};

/// One secret as the vault sealed it. The store cannot read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Whose it is.
    pub tenant: TenantId,
    /// The environment that may use it.
    pub environment: String,
    /// Its name.
    pub name: SecretName,
    /// Counts the writes of this name from 1, deletions too.
    pub version: u32,
    /// The operator's scope as JSON text, exactly as it was sealed.
    pub scope_json: String,
    /// Nonce, ciphertext and tag; none once the secret was deleted.
    pub sealed: Option<Vec<u8>>,
    /// When this version was written.
    pub updated_at: Timestamp,
}

type Columns = (String, String, String, i64, String, Option<Vec<u8>>, String);

impl Store {
    /// All secrets of an environment, deleted ones too.
    pub async fn secrets(&self, environment: &str) -> Result<Vec<SecretRow>, StoreError> {
        let rows: Vec<Columns> = sqlx::query_as(
            "SELECT tenant, environment, name, version, scope_json, sealed, updated_at
             FROM secrets WHERE environment = $1 ORDER BY tenant, name",
        )
        .bind(environment)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(read).collect()
    }

    /// One secret, also a deleted one.
    pub async fn secret(
        &self,
        tenant: &TenantId,
        environment: &str,
        name: &SecretName,
    ) -> Result<Option<SecretRow>, StoreError> {
        let row: Option<Columns> = sqlx::query_as(
            "SELECT tenant, environment, name, version, scope_json, sealed, updated_at
             FROM secrets WHERE tenant = $1 AND environment = $2 AND name = $3",
        )
        .bind(tenant.as_str())
        .bind(environment)
        .bind(name.as_str())
        .fetch_optional(self.pool())
        .await?;
        row.map(read).transpose()
    }

    /// Writes the next version of a secret. False, and nothing changed, where `row.version` does
    /// not follow the stored one: somebody else wrote in between.
    pub async fn put_secret(&self, row: &SecretRow) -> Result<bool, StoreError> {
        let mut transaction = self.append().await?;
        let written = sqlx::query(
            "INSERT INTO secrets (tenant, environment, name, version, scope_json, sealed, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant, environment, name) DO UPDATE SET
               version = excluded.version, scope_json = excluded.scope_json,
               sealed = excluded.sealed, updated_at = excluded.updated_at
             WHERE secrets.version = excluded.version - 1",
        )
        .bind(row.tenant.as_str())
        .bind(&row.environment)
        .bind(row.name.as_str())
        .bind(i64::from(row.version))
        .bind(&row.scope_json)
        .bind(&row.sealed)
        .bind(row.updated_at.to_string())
        .execute(&mut *transaction)
        .await?;
        if written.rows_affected() == 0 {
            return Ok(false);
        }
        self.commit(transaction, Topic::Secrets, None).await?;
        Ok(true)
    }
}

fn read(
    (tenant, environment, name, version, scope_json, sealed, updated_at): Columns,
) -> Result<SecretRow, StoreError> {
    Ok(SecretRow {
        tenant: tenant.parse().map_err(|_| StoreError::Unreadable("tenant"))?,
        environment,
        name: name.parse().map_err(|_| StoreError::Unreadable("secret name"))?,
        version: version.try_into().map_err(|_| StoreError::Unreadable("secret version"))?,
        scope_json,
        sealed,
        updated_at: updated_at.parse().map_err(|_| StoreError::Unreadable("time"))?,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    fn row(version: u32, sealed: Option<&[u8]>) -> SecretRow {
        SecretRow {
            tenant: TenantId::main(),
            environment: "development".into(),
            name: "hubspot".parse().unwrap(),
            version,
            scope_json: "[]".into(),
            sealed: sealed.map(<[u8]>::to_vec),
            updated_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        }
    }

    #[rstest]
    #[tokio::test]
    async fn a_write_must_follow_the_version_before(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let store = place.open().await;
        assert!(store.put_secret(&row(1, Some(b"a"))).await.unwrap());
        assert!(!store.put_secret(&row(1, Some(b"b"))).await.unwrap());
        assert!(!store.put_secret(&row(3, Some(b"b"))).await.unwrap());
        assert!(store.put_secret(&row(2, None)).await.unwrap());
        drop(store);
        let store = place.open().await;
        assert_eq!(store.secrets("development").await.unwrap(), [row(2, None)]);
        assert_eq!(store.secrets("production").await.unwrap(), []);
    }
}
