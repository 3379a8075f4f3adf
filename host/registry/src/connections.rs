use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use sophia_domain::{ConnectionName, PluginName, SecretName, TenantId};
use sophia_store::ConnectionRow;

use crate::{ConfigKey, Manifest, Registry, RegistryError};

/// Most settings of a connection, and the longest one.
const MAX_CONFIG_KEYS: usize = 64;
const MAX_CONFIG_VALUE_BYTES: usize = 8 << 10;

/// One account at a vendor: what the operator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The plugin that uses it.
    pub connector: PluginName,
    /// Its name, unique within the connector.
    pub name: ConnectionName,
    /// What the plugin may read, as far as it asked and was granted.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// The manifest's name of a credential or signature, and the secret that stands for it.
    #[serde(default)]
    pub credentials: BTreeMap<String, SecretName>,
}

impl Registry {
    /// Keeps a connection, replacing the one of the same name. Its secrets need not exist yet:
    /// they are looked up at each use, and a request that needs a missing one fails.
    pub async fn put_connection(&self, tenant: &TenantId, connection: Connection) -> Result<(), RegistryError> {
        // The newest version, so that a pending one can be prepared for.
        let newest = self.newest(tenant, &connection.connector).await?;
        check(&connection, &newest.manifest)?;
        let tenant = tenant.clone();
        self.change(|registry| async move {
            let row = ConnectionRow::from(connection);
            let mut bound = registry.bound(&tenant, &row.connector).await?;
            bound.connections.retain(|other| other.name != row.name);
            bound.connections.push(row.clone());
            registry.0.store.put_connection(&tenant, &row).await?;
            registry.rebind(&row.connector, &bound);
            Ok(())
        })
        .await
    }

    /// The connections of a tenant, by connector and name.
    pub async fn connections(&self, tenant: &TenantId) -> Result<Vec<Connection>, RegistryError> {
        let rows = self.0.store.connections(tenant, None).await?;
        Ok(rows.into_iter().map(Connection::from).collect())
    }

    /// One connection.
    pub async fn connection(
        &self,
        tenant: &TenantId,
        connector: &PluginName,
        name: &ConnectionName,
    ) -> Result<Connection, RegistryError> {
        let rows = self.0.store.connections(tenant, Some(connector)).await?;
        let row = rows.into_iter().find(|row| row.name == *name);
        row.map(Connection::from).ok_or(RegistryError::UnknownConnection)
    }

    /// Forgets a connection. Calls under way keep it until they end.
    pub async fn delete_connection(
        &self,
        tenant: &TenantId,
        connector: &PluginName,
        name: &ConnectionName,
    ) -> Result<(), RegistryError> {
        let (tenant, connector, name) = (tenant.clone(), connector.clone(), name.clone());
        self.change(|registry| async move {
            let mut bound = registry.bound(&tenant, &connector).await?;
            bound.connections.retain(|other| other.name != name);
            if !registry.0.store.delete_connection(&tenant, &connector, &name).await? {
                return Err(RegistryError::UnknownConnection);
            }
            registry.rebind(&connector, &bound);
            Ok(())
        })
        .await
    }

    /// Shows a plugin's changed connections to the data path, if it answers.
    fn rebind(&self, connector: &PluginName, bound: &crate::change::Bound) {
        let binding = self.binding(bound);
        self.swap(|live| match live.plugin(connector.as_str()) {
            Some(plugin) => live.with(Arc::new(binding.rebind(plugin))),
            None => live.clone(),
        });
    }
}

fn check(connection: &Connection, manifest: &Manifest) -> Result<(), RegistryError> {
    let known = || manifest.credentials.keys().chain(manifest.signatures.keys());
    if let Some(given) = connection.credentials.keys().find(|given| !known().any(|name| name == *given)) {
        return Err(RegistryError::UnknownCredential { given: given.clone(), known: known().cloned().collect() });
    }
    if let Some(key) = connection.config.keys().find(|key| !ConfigKey::is_key(key)) {
        return Err(RegistryError::ConfigKey(key.chars().filter(|c| !c.is_control()).take(128).collect()));
    }
    let is_large = connection.config.values().any(|value| value.len() > MAX_CONFIG_VALUE_BYTES);
    if is_large || connection.config.len() > MAX_CONFIG_KEYS {
        return Err(RegistryError::ConfigTooLarge);
    }
    Ok(())
}

impl From<Connection> for ConnectionRow {
    fn from(Connection { connector, name, config, credentials }: Connection) -> Self {
        Self { connector, name, config, credentials }
    }
}

impl From<ConnectionRow> for Connection {
    fn from(ConnectionRow { connector, name, config, credentials }: ConnectionRow) -> Self {
        Self { connector, name, config, credentials }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(config: &[(&str, &str)], credentials: &[(&str, &str)]) -> Connection {
        Connection {
            connector: "hubspot".parse().unwrap(),
            name: "emea".parse().unwrap(),
            config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            credentials: credentials
                .iter()
                .map(|(name, secret)| ((*name).to_owned(), secret.parse().unwrap()))
                .collect(),
        }
    }

    #[test]
    fn binds_only_what_the_manifest_has() {
        let manifest = Manifest::parse(
            "[plugin]\nname = \"hubspot\"\nversion = \"1.0.0\"\nworld = \"connector\"\n\
             [credentials.token]\nscope = [\"https://a.example/*\"]\ninject = { bearer = true }\n\
             [signatures.webhook]\nalgorithms = [\"hmac-sha256\"]",
        )
        .unwrap();
        let good = connection(&[("sync.days", "30")], &[("token", "secret-a"), ("webhook", "secret-b")]);
        assert!(check(&good, &manifest).is_ok());
        let unknown = check(&connection(&[], &[("tokn", "secret-a")]), &manifest).unwrap_err();
        assert!(unknown.problem().detail.contains("token, webhook"), "{:?}", unknown.problem());
        assert!(matches!(check(&connection(&[("a b", "")], &[]), &manifest), Err(RegistryError::ConfigKey(_))));
        let long = "x".repeat(MAX_CONFIG_VALUE_BYTES + 1);
        assert!(matches!(check(&connection(&[("a", &long)], &[]), &manifest), Err(RegistryError::ConfigTooLarge)));
    }
}
