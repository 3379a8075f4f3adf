use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::StreamExt;
use sophia_domain::{Chain, Digest, PluginName, TenantId};
use sophia_ledger::RateWindows;
use sophia_sandbox::{EngineKind, Sandbox};
use sophia_store::{BlobKind, Store, StoreError};
use sophia_vault::Vault;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{Live, LivePlugin, Registry, RegistryConfig, RegistryError, Version, change::Turns, refresh::Seen};

/// Versions loaded at a time. Loading maps files and waits for disk more than it computes.
const LOADS_AT_A_TIME: usize = 8;

impl Registry {
    /// Loads every active version. One that does not load stays listed as failed and keeps
    /// nobody else from answering; only a store that cannot be read is an error.
    pub async fn open(
        store: Store,
        sandbox: Sandbox,
        vault: Vault,
        config: RegistryConfig,
    ) -> Result<Self, RegistryError> {
        let registry = Self(Arc::new(super::Inner {
            compiles: Semaphore::new(config.max_compiles.max(1)),
            store,
            sandbox,
            vault,
            rates: RateWindows::default(),
            config,
            live: ArcSwap::default(),
            turns: Turns::default(),
            changes: Semaphore::new(1),
            tasks: TaskTracker::new(),
            seen: Seen::default(),
        }));
        registry.note_generations().await?;
        registry.load_active(&TenantId::main()).await?;
        registry.sweep_foreign_code().await?;
        Ok(registry)
    }

    async fn load_active(&self, tenant: &TenantId) -> Result<(), RegistryError> {
        let plugins = self.0.store.plugins(tenant).await?;
        let active = plugins.into_iter().filter_map(|row| Some((row.name, row.active?)));
        let loads = active.map(|(name, digest)| async move {
            let plugin = self.load_kept(tenant, &name, &digest).await;
            (name, plugin)
        });
        let loaded: Vec<_> = futures::stream::iter(loads).buffer_unordered(LOADS_AT_A_TIME).collect().await;
        let mut live = Live::default();
        for (name, plugin) in loaded {
            live = match plugin {
                Ok(plugin) => live.with(Arc::new(plugin)),
                Err(error) => {
                    tracing::error!(plugin = %name, error = %Chain(&error), "an active version could not be loaded");
                    live.with_failed(name, &error.to_string())
                }
            };
        }
        self.0.live.store(Arc::new(live));
        Ok(())
    }

    pub(crate) async fn load_kept(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        digest: &Digest,
    ) -> Result<LivePlugin, RegistryError> {
        let version = self.kept(tenant, name, digest).await?;
        let bound = self.bound(tenant, name).await?;
        let program = self.load(&version).await?;
        Ok(self.binding(&bound).bind(Arc::new(version), program))
    }

    /// A kept version of a plugin.
    pub(crate) async fn kept(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        digest: &Digest,
    ) -> Result<Version, RegistryError> {
        let row = self.0.store.version(tenant, name, digest).await?;
        Version::read(tenant, name, row.ok_or(RegistryError::UnknownVersion(*digest))?).await
    }

    /// Removes compiled code of other releases: a version needs only this one's, and gets it when
    /// it is loaded.
    async fn sweep_foreign_code(&self) -> Result<(), StoreError> {
        let own = [EngineKind::Plain, EngineKind::Concurrent].map(|engine| self.0.sandbox.compatibility(engine));
        let blobs = self.0.store.blobs();
        for name in blobs.list(BlobKind::Aot).await? {
            let is_own =
                name.split_once('-').is_some_and(|(_, compatibility)| own.iter().any(|own| own == compatibility));
            if !is_own {
                blobs.delete(BlobKind::Aot, &name).await?;
            }
        }
        Ok(())
    }
}
