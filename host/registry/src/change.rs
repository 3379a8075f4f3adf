//! How changes are kept apart and carried to their end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use sophia_domain::{Digest, PluginName, TenantId};
use sophia_sandbox::EngineKind;
use sophia_store::{BlobKind, ConnectionRow, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Grants, Live, Registry, RegistryError, live::Binding};

/// Whose turn it is, per plugin. A turn is a permit and not a lock on anything, so it may be
/// held while a component compiles; the data path never takes one.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<(TenantId, PluginName), Weak<Semaphore>>>);

/// What was decided about a plugin and bound to it, read from rows.
pub(crate) struct Bound {
    pub(crate) grants: Grants,
    pub(crate) connections: Vec<ConnectionRow>,
}

impl Turns {
    /// Waits for the plugin's turn, which lasts until the permit is dropped.
    pub(crate) async fn take(&self, tenant: &TenantId, name: &PluginName) -> Option<OwnedSemaphorePermit> {
        // No semaphore is ever closed, so there is always a permit in the end.
        self.of(tenant, name).acquire_owned().await.ok()
    }

    fn of(&self, tenant: &TenantId, name: &PluginName) -> Arc<Semaphore> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let key = (tenant.clone(), name.clone());
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

impl Registry {
    /// Carries out a change to rows, blobs and the snapshot. One at a time, so that a deletion
    /// never takes a blob that an upload has just written and not yet named in a row. It goes on
    /// to its end when the caller leaves, so that the snapshot always follows the rows.
    pub(crate) async fn change<T, E, F>(&self, work: impl FnOnce(Self) -> F + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<RegistryError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let registry = self.clone();
        let task = self.0.tasks.spawn(async move {
            let _permit = registry.0.changes.acquire().await;
            work(registry.clone()).await
        });
        task.await.unwrap_or_else(|_| Err(RegistryError::Abandoned.into()))
    }

    /// What binds a plugin. Read before a commit, so that nothing can fail between the commit and
    /// the swap.
    pub(crate) async fn bound(&self, tenant: &TenantId, name: &PluginName) -> Result<Bound, StoreError> {
        Ok(Bound {
            grants: Grants::from_rows(self.0.store.grants(tenant, name).await?),
            connections: self.0.store.connections(tenant, Some(name)).await?,
        })
    }

    pub(crate) fn binding<'a>(&'a self, bound: &'a Bound) -> Binding<'a> {
        Binding {
            grants: &bound.grants,
            connections: &bound.connections,
            caps: &self.0.config.caps,
            vault: &self.0.vault,
            rates: &self.0.rates,
        }
    }

    /// Puts the next snapshot in place.
    pub(crate) fn swap(&self, next: impl Fn(&Live) -> Live) {
        self.0.live.rcu(|live| next(live));
    }

    /// The name of a version's compiled code.
    pub(crate) fn aot_name(&self, digest: &Digest, engine: EngineKind) -> String {
        format!("{}-{}", digest.hex(), self.0.sandbox.compatibility(engine))
    }

    /// Removes the blobs of versions that no row names. What fails is swept at the next start.
    pub(crate) async fn forget_blobs(&self, digests: &[Digest]) {
        let blobs = self.0.store.blobs();
        for digest in digests {
            let mut unnamed = vec![(BlobKind::Wasm, digest.hex())];
            for engine in [EngineKind::Plain, EngineKind::Concurrent] {
                unnamed.push((BlobKind::Aot, self.aot_name(digest, engine)));
            }
            for (kind, name) in unnamed {
                if let Err(error) = blobs.delete(kind, &name).await {
                    tracing::warn!(name, %error, "a blob that no version names could not be removed");
                }
            }
        }
    }
}
