use sophia_domain::{Digest, PluginName, TenantId};
use sqlx::{Any, Transaction};

use crate::{
    Store, StoreError,
    generations::Topic,
    transaction::{Area, now},
};

/// A named line of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRow {
    /// Its name.
    pub name: PluginName,
    /// The version that answers; none while every version is pending.
    pub active: Option<Digest>,
}

impl Store {
    /// All plugins of a tenant, by name.
    pub async fn plugins(&self, tenant: &TenantId) -> Result<Vec<PluginRow>, StoreError> {
        let rows: Vec<(String, Option<String>)> =
            sqlx::query_as("SELECT name, active FROM plugins WHERE tenant = $1 ORDER BY name")
                .bind(tenant.as_str())
                .fetch_all(self.pool())
                .await?;
        rows.into_iter().map(read).collect()
    }

    /// One plugin.
    pub async fn plugin(&self, tenant: &TenantId, name: &PluginName) -> Result<Option<PluginRow>, StoreError> {
        let row: Option<(String, Option<String>)> =
            sqlx::query_as("SELECT name, active FROM plugins WHERE tenant = $1 AND name = $2")
                .bind(tenant.as_str())
                .bind(name.as_str())
                .fetch_optional(self.pool())
                .await?;
        row.map(read).transpose()
    }

    /// Makes a stored version the one that answers.
    pub async fn activate(&self, tenant: &TenantId, plugin: &PluginName, digest: &Digest) -> Result<(), StoreError> {
        let mut transaction = self.write(Area::Plugins).await?;
        activate(&mut transaction, tenant, plugin, digest).await?;
        self.commit(transaction, Topic::Plugins, Some((tenant, plugin.as_str()))).await
    }

    /// The version that was active before the active one, if it is still kept.
    pub async fn previous_activation(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
    ) -> Result<Option<Digest>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT digest FROM activations JOIN plugins p ON p.tenant = activations.tenant AND p.name = plugin
             WHERE p.tenant = $1 AND plugin = $2 AND digest IS DISTINCT FROM p.active ORDER BY id DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(plugin.as_str())
        .fetch_optional(self.pool())
        .await?;
        row.map(|(digest,)| read_digest(&digest)).transpose()
    }

    /// Removes a plugin with its versions, grants and connections. Gives the digests that no
    /// other plugin has: their blobs may go. Nothing happens where there is no such plugin.
    pub async fn delete_plugin(&self, tenant: &TenantId, name: &PluginName) -> Result<Vec<Digest>, StoreError> {
        let mut transaction = self.write(Area::Plugins).await?;
        let digests: Vec<(String,)> = sqlx::query_as(
            "SELECT digest FROM versions v WHERE tenant = $1 AND plugin = $2 AND NOT EXISTS
               (SELECT 1 FROM versions o WHERE o.digest = v.digest AND NOT (o.tenant = $1 AND o.plugin = $2))",
        )
        .bind(tenant.as_str())
        .bind(name.as_str())
        .fetch_all(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM plugins WHERE tenant = $1 AND name = $2")
            .bind(tenant.as_str())
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        self.commit(transaction, Topic::Plugins, Some((tenant, name.as_str()))).await?;
        digests.iter().map(|(digest,)| read_digest(digest)).collect()
    }
}

/// Points a plugin at one of its versions and remembers when.
pub(crate) async fn activate(
    transaction: &mut Transaction<'static, Any>,
    tenant: &TenantId,
    plugin: &PluginName,
    digest: &Digest,
) -> Result<(), StoreError> {
    let digest = digest.hex();
    let updated = sqlx::query(
        "UPDATE plugins SET active = $3 WHERE tenant = $1 AND name = $2 AND EXISTS
           (SELECT 1 FROM versions v WHERE v.tenant = $1 AND v.plugin = $2 AND v.digest = $3)",
    )
    .bind(tenant.as_str())
    .bind(plugin.as_str())
    .bind(&digest)
    .execute(&mut **transaction)
    .await?;
    if updated.rows_affected() == 0 {
        return Err(StoreError::Missing("version"));
    }
    sqlx::query("INSERT INTO activations (tenant, plugin, digest, at) VALUES ($1, $2, $3, $4)")
        .bind(tenant.as_str())
        .bind(plugin.as_str())
        .bind(&digest)
        .bind(now())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Digests stand in rows as hex digits.
pub(crate) fn read_digest(hex: &str) -> Result<Digest, StoreError> {
    format!("sha256:{hex}").parse().map_err(|_| StoreError::Unreadable("digest"))
}

fn read((name, active): (String, Option<String>)) -> Result<PluginRow, StoreError> {
    Ok(PluginRow {
        name: name.parse().map_err(|_| StoreError::Unreadable("plugin name"))?,
        active: active.as_deref().map(read_digest).transpose()?,
    })
}
