use semver::Version as Semver;
use serde::{Deserialize, Serialize};
use sophia_domain::{Digest, PluginName, TenantId};

use crate::{Registry, RegistryError};

/// What came of a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The plugin.
    pub name: PluginName,
    /// The version that answers now.
    pub digest: Digest,
    /// What it calls itself.
    pub version: Semver,
    /// The version that answered until now; none where that one has not changed.
    pub previous: Option<Digest>,
}

impl Registry {
    /// Makes another version answer: the one named, or the one that was active before the active
    /// one, so that a second rollback takes back the first. A pending version is refused.
    pub async fn rollback(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        to: Option<&Digest>,
    ) -> Result<RolledBack, RegistryError> {
        let _turn = self.0.turns.take(tenant, name).await;
        let version = match to {
            Some(digest) => self.known(tenant, name, digest).await?,
            None => {
                self.newest(tenant, name).await?;
                let before = self.0.store.previous_activation(tenant, name).await?;
                self.kept(tenant, name, &before.ok_or(RegistryError::NothingBefore)?).await?
            }
        };
        let judged = self.judge(&version).await?;
        if judged.is_pending() {
            return Err(RegistryError::Pending(version.digest));
        }
        let program = self.load(&version).await?;
        let (version, judged) = self.activate(version, program, judged).await?;
        Ok(RolledBack {
            name: version.name.clone(),
            digest: version.digest,
            version: version.semver.clone(),
            previous: judged.running.filter(|running| *running != version.digest),
        })
    }

    /// Removes a plugin with its versions, grants and connections. Calls under way end in the
    /// version they began with.
    pub async fn delete(&self, tenant: &TenantId, name: &PluginName) -> Result<(), RegistryError> {
        let _turn = self.0.turns.take(tenant, name).await;
        if self.0.store.plugin(tenant, name).await?.is_none() {
            return Err(RegistryError::UnknownPlugin);
        }
        let (tenant, name) = (tenant.clone(), name.clone());
        self.change(|registry| async move {
            let unnamed = registry.0.store.delete_plugin(&tenant, &name).await?;
            registry.swap(|live| live.without(&name));
            registry.forget_blobs(&unnamed).await;
            Ok(())
        })
        .await
    }
}
