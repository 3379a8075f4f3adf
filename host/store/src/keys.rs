//! The keys of callers rest here, as hashes.

use jiff::Timestamp;
use sophia_domain::{KeyId, TenantId};
use sqlx::{Any, AnyConnection, Transaction};

use crate::{Store, StoreError, generations::Topic, transaction::Area};

/// A key: what it may do, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: KeyId,
    /// What it may do, as JSON text. The store does not read it.
    pub rights_json: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// By which key.
    pub created_by: KeyId,
    /// None where it never expires.
    pub expires_at: Option<Timestamp>,
    /// None while it may be used.
    pub revoked_at: Option<Timestamp>,
}

/// What a key is recognised by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHashRow {
    /// SHA-256 of what callers send.
    pub hash: [u8; 32],
    /// Whose it is.
    pub tenant: TenantId,
    /// The key's name.
    pub key: KeyId,
    /// None where it ends with its key.
    pub expires_at: Option<Timestamp>,
}

type KeyColumns = (String, String, String, String, String, Option<String>, Option<String>);
type HashColumns = (Vec<u8>, String, String, Option<String>);

/// All keys there are. Whoever holds a copy replaces it by what a change answers with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyTable {
    /// By tenant and name, revoked ones too.
    pub keys: Vec<KeyRow>,
    /// What they are recognised by.
    pub hashes: Vec<KeyHashRow>,
}

impl Store {
    /// All keys.
    pub async fn keys(&self) -> Result<KeyTable, StoreError> {
        read_table(&mut *self.pool().acquire().await?).await
    }

    /// Keeps a new key with its hash, and gives the keys as they are then. None, and nothing kept,
    /// where the name was ever taken.
    pub async fn put_key(&self, row: &KeyRow, hash: &[u8; 32]) -> Result<Option<KeyTable>, StoreError> {
        let mut transaction = self.write(Area::Keys).await?;
        let written = sqlx::query(
            "INSERT INTO keys (tenant, name, rights_json, created_at, created_by, expires_at, revoked_at)
             VALUES ($1, $2, $3, $4, $5, $6, NULL) ON CONFLICT DO NOTHING",
        )
        .bind(row.tenant.as_str())
        .bind(row.name.as_str())
        .bind(&row.rights_json)
        .bind(row.created_at.to_string())
        .bind(row.created_by.as_str())
        .bind(row.expires_at.map(|at| at.to_string()))
        .execute(&mut *transaction)
        .await?;
        if written.rows_affected() == 0 {
            return Ok(None);
        }
        put_hash(&mut transaction, &row.tenant, &row.name, hash).await?;
        committed(self, transaction).await.map(Some)
    }

    /// Gives a key another hash, and lets the one that it has be used until a time. What was being
    /// replaced before ends now. None, and nothing changed, where there is no such key or it is
    /// revoked.
    pub async fn rotate_key(
        &self,
        tenant: &TenantId,
        name: &KeyId,
        hash: &[u8; 32],
        old_until: Timestamp,
    ) -> Result<Option<KeyTable>, StoreError> {
        let mut transaction = self.write(Area::Keys).await?;
        let usable: Option<(String,)> =
            sqlx::query_as("SELECT name FROM keys WHERE tenant = $1 AND name = $2 AND revoked_at IS NULL")
                .bind(tenant.as_str())
                .bind(name.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        if usable.is_none() {
            return Ok(None);
        }
        sqlx::query("DELETE FROM key_hashes WHERE tenant = $1 AND key = $2 AND expires_at IS NOT NULL")
            .bind(tenant.as_str())
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE key_hashes SET expires_at = $1 WHERE tenant = $2 AND key = $3")
            .bind(old_until.to_string())
            .bind(tenant.as_str())
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        put_hash(&mut transaction, tenant, name, hash).await?;
        committed(self, transaction).await.map(Some)
    }

    /// Ends a key for good; its name stays taken. None, and nothing changed, where there is no such
    /// key or it was revoked before.
    pub async fn revoke_key(
        &self,
        tenant: &TenantId,
        name: &KeyId,
        at: Timestamp,
    ) -> Result<Option<KeyTable>, StoreError> {
        let mut transaction = self.write(Area::Keys).await?;
        let revoked =
            sqlx::query("UPDATE keys SET revoked_at = $1 WHERE tenant = $2 AND name = $3 AND revoked_at IS NULL")
                .bind(at.to_string())
                .bind(tenant.as_str())
                .bind(name.as_str())
                .execute(&mut *transaction)
                .await?;
        if revoked.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query("DELETE FROM key_hashes WHERE tenant = $1 AND key = $2")
            .bind(tenant.as_str())
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        committed(self, transaction).await.map(Some)
    }
}

async fn put_hash(
    transaction: &mut Transaction<'_, Any>,
    tenant: &TenantId,
    key: &KeyId,
    hash: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO key_hashes (hash, tenant, key, expires_at) VALUES ($1, $2, $3, NULL)")
        .bind(hash.as_slice())
        .bind(tenant.as_str())
        .bind(key.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Commits, and gives the keys as they are then. They are read before, so that a change that
/// cannot be told is not made.
async fn committed(store: &Store, mut transaction: Transaction<'static, Any>) -> Result<KeyTable, StoreError> {
    let table = read_table(&mut transaction).await?;
    store.commit(transaction, Topic::Keys, None).await?;
    Ok(table)
}

async fn read_table(connection: &mut AnyConnection) -> Result<KeyTable, StoreError> {
    let keys: Vec<KeyColumns> = sqlx::query_as(
        "SELECT tenant, name, rights_json, created_at, created_by, expires_at, revoked_at
         FROM keys ORDER BY tenant, name",
    )
    .fetch_all(&mut *connection)
    .await?;
    let hashes: Vec<HashColumns> =
        sqlx::query_as("SELECT hash, tenant, key, expires_at FROM key_hashes").fetch_all(connection).await?;
    Ok(KeyTable {
        keys: keys.into_iter().map(read_key).collect::<Result<_, _>>()?,
        hashes: hashes.into_iter().map(read_hash).collect::<Result<_, _>>()?,
    })
}

fn read_key(
    (tenant, name, rights_json, created_at, created_by, expires_at, revoked_at): KeyColumns,
) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        tenant: read_tenant(&tenant)?,
        name: name.into(),
        rights_json,
        created_at: read_time(&created_at)?,
        created_by: created_by.into(),
        expires_at: expires_at.as_deref().map(read_time).transpose()?,
        revoked_at: revoked_at.as_deref().map(read_time).transpose()?,
    })
}

fn read_hash((hash, tenant, key, expires_at): HashColumns) -> Result<KeyHashRow, StoreError> {
    Ok(KeyHashRow {
        hash: hash.try_into().map_err(|_| StoreError::Unreadable("hash of a key"))?,
        tenant: read_tenant(&tenant)?,
        key: key.into(),
        expires_at: expires_at.as_deref().map(read_time).transpose()?,
    })
}

fn read_tenant(text: &str) -> Result<TenantId, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable("tenant"))
}

fn read_time(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable("time"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    fn row(name: &str) -> KeyRow {
        KeyRow {
            tenant: TenantId::main(),
            name: name.into(),
            rights_json: r#"{"role":"member"}"#.into(),
            created_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            created_by: "operator".into(),
            expires_at: None,
            revoked_at: None,
        }
    }

    fn at(second: u8) -> Timestamp {
        format!("2026-01-02T03:04:{second:02}Z").parse().unwrap()
    }

    fn hashes(table: &KeyTable) -> Vec<(u8, Option<Timestamp>)> {
        table.hashes.iter().map(|row| (row.hash[0], row.expires_at)).collect()
    }

    #[rstest]
    #[tokio::test]
    async fn a_key_is_kept_replaced_and_revoked_and_its_name_stays_taken(
        #[values(Column::Sqlite, Column::Postgres)] column: Column,
    ) {
        let place = Place::of(column);
        let (tenant, name) = (TenantId::main(), KeyId::from("ci"));
        let store = place.open().await;
        let kept = store.put_key(&row("ci"), &[1; 32]).await.unwrap().unwrap();
        assert_eq!((kept.keys.as_slice(), hashes(&kept)), ([row("ci")].as_slice(), vec![(1, None)]));
        assert_eq!(store.put_key(&row("ci"), &[2; 32]).await.unwrap(), None);
        assert_eq!(store.rotate_key(&tenant, &"other".into(), &[2; 32], at(1)).await.unwrap(), None);
        let rotated = store.rotate_key(&tenant, &name, &[2; 32], at(1)).await.unwrap().unwrap();
        assert_eq!(hashes(&rotated), [(1, Some(at(1))), (2, None)]);
        let rotated = store.rotate_key(&tenant, &name, &[3; 32], at(2)).await.unwrap().unwrap();
        assert_eq!(hashes(&rotated), [(2, Some(at(2))), (3, None)]);
        drop(store);
        let store = place.open().await;
        assert_eq!(store.keys().await.unwrap(), rotated);
        let revoked = store.revoke_key(&tenant, &name, at(3)).await.unwrap().unwrap();
        assert_eq!(revoked.keys, [KeyRow { revoked_at: Some(at(3)), ..row("ci") }]);
        assert_eq!(revoked.hashes, []);
        assert_eq!(store.revoke_key(&tenant, &name, at(4)).await.unwrap(), None);
        assert_eq!(store.rotate_key(&tenant, &name, &[4; 32], at(5)).await.unwrap(), None);
        assert_eq!(store.put_key(&row("ci"), &[5; 32]).await.unwrap(), None);
        assert_eq!(store.keys().await.unwrap(), revoked);
    }

    #[rstest]
    #[tokio::test]
    async fn a_hash_that_stands_twice_makes_no_key(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let store = place.open().await;
        let kept = store.put_key(&row("ci"), &[1; 32]).await.unwrap().unwrap();
        store.put_key(&row("other"), &[1; 32]).await.unwrap_err();
        assert_eq!(store.keys().await.unwrap(), kept);
    }
}
