use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use sophia_domain::{ConnectionName, PluginName, SecretName, TenantId};

use crate::{
    Store, StoreError,
    generations::Topic,
    transaction::{Area, now},
};

/// One account at a vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// The plugin that uses it.
    pub connector: PluginName,
    /// Its name, unique within the connector.
    pub name: ConnectionName,
    /// What the plugin may read as its configuration.
    pub config: BTreeMap<String, String>,
    /// The manifest's name of a credential or signature, and the secret that stands for it.
    pub credentials: BTreeMap<String, SecretName>,
}

impl Store {
    /// Keeps a connection, replacing the one of the same name. The connector must be there.
    pub async fn put_connection(&self, tenant: &TenantId, connection: &ConnectionRow) -> Result<(), StoreError> {
        let mut transaction = self.write(Area::Plugins).await?;
        sqlx::query(
            "INSERT INTO connections (tenant, connector, name, config_json, credentials_json, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, connector, name) DO UPDATE SET
             config_json = excluded.config_json, credentials_json = excluded.credentials_json, updated_at = excluded.updated_at",
        )
        .bind(tenant.as_str())
        .bind(connection.connector.as_str())
        .bind(connection.name.as_str())
        .bind(serde_json::to_string(&connection.config).map_err(|_| StoreError::Unreadable("configuration"))?)
        .bind(serde_json::to_string(&connection.credentials).map_err(|_| StoreError::Unreadable("credentials"))?)
        .bind(now())
        .execute(&mut *transaction)
        .await?;
        self.commit(transaction, Topic::Plugins, Some((tenant, connection.connector.as_str()))).await
    }

    /// Forgets a connection; false where there was none.
    pub async fn delete_connection(
        &self,
        tenant: &TenantId,
        connector: &PluginName,
        name: &ConnectionName,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write(Area::Plugins).await?;
        let deleted = sqlx::query("DELETE FROM connections WHERE tenant = $1 AND connector = $2 AND name = $3")
            .bind(tenant.as_str())
            .bind(connector.as_str())
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        self.commit(transaction, Topic::Plugins, Some((tenant, connector.as_str()))).await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// The connections of a tenant, or of one of its connectors, by name.
    pub async fn connections(
        &self,
        tenant: &TenantId,
        connector: Option<&PluginName>,
    ) -> Result<Vec<ConnectionRow>, StoreError> {
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT connector, name, config_json, credentials_json FROM connections
             WHERE tenant = $1 AND (CAST($2 AS TEXT) IS NULL OR connector = $2) ORDER BY connector, name",
        )
        .bind(tenant.as_str())
        .bind(connector.map(PluginName::as_str))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(read).collect()
    }
}

fn read((connector, name, config, credentials): (String, String, String, String)) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        connector: connector.parse().map_err(|_| StoreError::Unreadable("connector name"))?,
        name: name.parse().map_err(|_| StoreError::Unreadable("connection name"))?,
        config: json(&config, "configuration")?,
        credentials: json(&credentials, "credentials")?,
    })
}

fn json<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable(what))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};
    use crate::{Activate, versions::tests::version};

    #[rstest]
    #[tokio::test]
    async fn keeps_and_forgets_connections_of_known_connectors(
        #[values(Column::Sqlite, Column::Postgres)] column: Column,
    ) {
        let place = Place::of(column);
        let store = place.open().await;
        let tenant = TenantId::main();
        let connector: PluginName = "hubspot".parse().unwrap();
        let mut connection = ConnectionRow {
            connector: connector.clone(),
            name: "emea".parse().unwrap(),
            config: BTreeMap::from([("region".into(), "eu".into())]),
            credentials: BTreeMap::from([("hubspot".into(), "hubspot-token".parse().unwrap())]),
        };
        assert!(store.put_connection(&tenant, &connection).await.is_err());
        let kept = version(b"1");
        store.add_version(&tenant, &connector, &kept, Activate::Now).await.unwrap();
        store.put_connection(&tenant, &connection).await.unwrap();
        connection.config.clear();
        store.put_connection(&tenant, &connection).await.unwrap();
        assert_eq!(store.connections(&tenant, None).await.unwrap(), [connection.clone()]);
        assert_eq!(store.connections(&tenant, Some(&"linear".parse().unwrap())).await.unwrap(), []);
        assert!(store.delete_connection(&tenant, &connector, &connection.name).await.unwrap());
        assert!(!store.delete_connection(&tenant, &connector, &connection.name).await.unwrap());
    }
}
