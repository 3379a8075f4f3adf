use jiff::Timestamp;
use sophia_domain::{Digest, PluginName, TenantId, World};
use sqlx::{Any, FromRow, Transaction};

use crate::{
    Store, StoreError,
    generations::Topic,
    plugins::{activate, read_digest},
    transaction::{Area, now},
};

/// A version that is about to be kept. Its blobs are there already.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Of the component as uploaded.
    pub digest: Digest,
    /// What the manifest calls the version.
    pub semver: String,
    /// The world it implements.
    pub world: World,
    /// Of the component as uploaded.
    pub size_bytes: u64,
    /// The manifest as written; none where the component came without one.
    pub manifest: Option<String>,
    /// What was found in the component, as JSON.
    pub surface_json: String,
    /// What `describe` answered, as JSON; none for worlds without it.
    pub description_json: Option<String>,
}

/// A version that is kept.
#[derive(Debug, Clone)]
pub struct VersionRow {
    /// What was given when it was kept.
    pub version: NewVersion,
    /// When that was.
    pub uploaded_at: Timestamp,
}

/// Whether a version answers as soon as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activate {
    /// Nothing stands against it.
    Now,
    /// It waits for the operator's decision.
    Later,
}

/// Versions kept of one plugin. Two weeks of seven deployments a day can be rolled back to, and a
/// plugin of 20 MB, with its compiled form, stays under 10 GB.
const MAX_VERSIONS: i64 = 100;

/// The third value picks one digest, or all where it is null; the fourth bounds how many.
const SELECT: &str = "SELECT digest, semver, world, size_bytes, uploaded_at, manifest, surface_json, description_json
    FROM versions WHERE tenant = $1 AND plugin = $2 AND (CAST($3 AS TEXT) IS NULL OR digest = $3) ORDER BY id DESC LIMIT $4";

#[derive(FromRow)]
struct Raw {
    digest: String,
    semver: String,
    world: String,
    size_bytes: i64,
    uploaded_at: String,
    manifest: Option<String>,
    surface_json: String,
    description_json: Option<String>,
}

impl Store {
    /// Keeps a version, in one transaction with its plugin, its activation, and the removal of
    /// the oldest inactive versions where there are too many. Gives the digests that no plugin has
    /// any more: their blobs may go.
    pub async fn add_version(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        version: &NewVersion,
        when: Activate,
    ) -> Result<Vec<Digest>, StoreError> {
        let mut transaction = self.write(Area::Plugins).await?;
        insert(&mut transaction, tenant, plugin, version).await?;
        if when == Activate::Now {
            activate(&mut transaction, tenant, plugin, &version.digest).await?;
        }
        let pruned = prune(&mut transaction, tenant, plugin).await?;
        self.commit(transaction, Topic::Plugins, Some((tenant, plugin.as_str()))).await?;
        Ok(pruned)
    }

    /// The versions of a plugin, newest first.
    pub async fn versions(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Vec<VersionRow>, StoreError> {
        self.select(tenant, plugin, None, MAX_VERSIONS.saturating_add(1)).await
    }

    /// The newest version of a plugin.
    pub async fn newest_version(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
    ) -> Result<Option<VersionRow>, StoreError> {
        Ok(self.select(tenant, plugin, None, 1).await?.pop())
    }

    /// One version of a plugin.
    pub async fn version(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        digest: &Digest,
    ) -> Result<Option<VersionRow>, StoreError> {
        Ok(self.select(tenant, plugin, Some(digest), 1).await?.pop())
    }

    async fn select(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        digest: Option<&Digest>,
        limit: i64,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let rows: Vec<Raw> = sqlx::query_as(SELECT)
            .bind(tenant.as_str())
            .bind(plugin.as_str())
            .bind(digest.map(Digest::hex))
            .bind(limit)
            .fetch_all(self.pool())
            .await?;
        rows.into_iter().map(VersionRow::try_from).collect()
    }
}

impl TryFrom<Raw> for VersionRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            version: NewVersion {
                digest: read_digest(&raw.digest)?,
                semver: raw.semver,
                world: read_world(&raw.world)?,
                size_bytes: u64::try_from(raw.size_bytes).map_err(|_| StoreError::Unreadable("size"))?,
                manifest: raw.manifest,
                surface_json: raw.surface_json,
                description_json: raw.description_json,
            },
            uploaded_at: raw.uploaded_at.parse().map_err(|_| StoreError::Unreadable("time"))?,
        })
    }
}

async fn insert(
    transaction: &mut Transaction<'static, Any>,
    tenant: &TenantId,
    plugin: &PluginName,
    version: &NewVersion,
) -> Result<(), StoreError> {
    let now = now();
    sqlx::query("INSERT INTO plugins (tenant, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(tenant.as_str())
        .bind(plugin.as_str())
        .bind(&now)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(
        "INSERT INTO versions (tenant, plugin, digest, semver, world, size_bytes, uploaded_at, manifest, surface_json,
           description_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(tenant.as_str())
    .bind(plugin.as_str())
    .bind(version.digest.hex())
    .bind(&version.semver)
    .bind(version.world.as_str())
    .bind(i64::try_from(version.size_bytes).map_err(|_| StoreError::Unreadable("size"))?)
    .bind(&now)
    .bind(&version.manifest)
    .bind(&version.surface_json)
    .bind(&version.description_json)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn prune(
    transaction: &mut Transaction<'static, Any>,
    tenant: &TenantId,
    plugin: &PluginName,
) -> Result<Vec<Digest>, StoreError> {
    let pruned: Vec<(String,)> = sqlx::query_as(
        "DELETE FROM versions WHERE tenant = $1 AND plugin = $2
           AND digest IS DISTINCT FROM (SELECT active FROM plugins WHERE tenant = $1 AND name = $2)
           AND id NOT IN (SELECT id FROM versions WHERE tenant = $1 AND plugin = $2 ORDER BY id DESC LIMIT $3)
         RETURNING digest",
    )
    .bind(tenant.as_str())
    .bind(plugin.as_str())
    .bind(MAX_VERSIONS)
    .fetch_all(&mut **transaction)
    .await?;
    let mut unused = Vec::new();
    for (digest,) in pruned {
        let used: Option<(i64,)> = sqlx::query_as("SELECT id FROM versions WHERE digest = $1 LIMIT 1")
            .bind(&digest)
            .fetch_optional(&mut **transaction)
            .await?;
        if used.is_none() {
            unused.push(read_digest(&digest)?);
        }
    }
    Ok(unused)
}

fn read_world(text: &str) -> Result<World, StoreError> {
    let worlds = [World::Connector, World::Pattern, World::Policy, World::Endpoint];
    worlds.into_iter().find(|world| world.as_str() == text).ok_or(StoreError::Unreadable("world"))
}

#[cfg(test)]
pub(crate) mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    /// A version that differs by the bytes it is named for.
    pub(crate) fn version(bytes: &[u8]) -> NewVersion {
        NewVersion {
            digest: Digest::of(bytes),
            semver: "0.1.0".into(),
            world: World::Endpoint,
            size_bytes: 3,
            manifest: None,
            surface_json: "{}".into(),
            description_json: None,
        }
    }

    async fn store(column: Column) -> (Place, Store, TenantId) {
        let place = Place::of(column);
        let store = place.open().await;
        (place, store, TenantId::main())
    }

    #[rstest]
    #[tokio::test]
    async fn keeps_versions_and_what_was_active(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let (_dir, store, tenant) = store(column).await;
        let hello = "hello".parse().unwrap();
        let (one, two) = (version(b"1"), version(b"2"));
        store.add_version(&tenant, &hello, &one, Activate::Now).await.unwrap();
        assert_eq!(store.previous_activation(&tenant, &hello).await.unwrap(), None);
        store.add_version(&tenant, &hello, &two, Activate::Later).await.unwrap();
        assert_eq!(store.plugin(&tenant, &hello).await.unwrap().unwrap().active, Some(one.digest));
        store.activate(&tenant, &hello, &two.digest).await.unwrap();
        assert_eq!(store.plugins(&tenant).await.unwrap()[0].active, Some(two.digest));
        assert_eq!(store.previous_activation(&tenant, &hello).await.unwrap(), Some(one.digest));
        let kept: Vec<_> = store.versions(&tenant, &hello).await.unwrap().iter().map(|v| v.version.digest).collect();
        assert_eq!(kept, [two.digest, one.digest]);
        let absent = store.activate(&tenant, &hello, &Digest::of(b"3")).await;
        assert!(matches!(absent, Err(StoreError::Missing("version"))));
    }

    #[rstest]
    #[tokio::test]
    async fn deletes_a_plugin_and_names_the_blobs_nobody_needs(
        #[values(Column::Sqlite, Column::Postgres)] column: Column,
    ) {
        let (_dir, store, tenant) = store(column).await;
        let (hello, other) = ("hello".parse().unwrap(), "other".parse().unwrap());
        let (shared, own) = (version(b"shared"), version(b"own"));
        for one in [&shared, &own] {
            store.add_version(&tenant, &hello, one, Activate::Now).await.unwrap();
        }
        store.add_version(&tenant, &other, &shared, Activate::Now).await.unwrap();
        assert_eq!(store.delete_plugin(&tenant, &hello).await.unwrap(), [own.digest]);
        assert_eq!(store.plugin(&tenant, &hello).await.unwrap(), None);
        assert!(store.versions(&tenant, &hello).await.unwrap().is_empty());
        assert_eq!(store.delete_plugin(&tenant, &hello).await.unwrap(), []);
    }

    #[rstest]
    #[tokio::test]
    async fn prunes_the_oldest_inactive_version(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let (_dir, store, tenant) = store(column).await;
        let hello = "hello".parse().unwrap();
        store.add_version(&tenant, &hello, &version(b"active"), Activate::Now).await.unwrap();
        let mut pruned = Vec::new();
        for n in 0..=MAX_VERSIONS {
            pruned = store.add_version(&tenant, &hello, &version(&n.to_le_bytes()), Activate::Later).await.unwrap();
        }
        assert_eq!(pruned, [Digest::of(&0_i64.to_le_bytes())]);
        assert!(store.version(&tenant, &hello, &Digest::of(b"active")).await.unwrap().is_some());
    }
}
