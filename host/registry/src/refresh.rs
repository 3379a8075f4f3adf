//! What another node changed answers here too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sophia_domain::{Chain, PluginName, TenantId};
use sophia_store::{
    StoreError,
    generations::{Generation, Topic},
};

use crate::{Registry, RegistryError};

/// How often each plugin had been changed when it was last read.
#[derive(Default)]
pub(crate) struct Seen(Mutex<HashMap<(TenantId, String), u64>>);

impl Seen {
    /// Those that were changed since.
    fn news(&self, all: Vec<Generation>) -> Vec<Generation> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = |one: &Generation| seen.get(&(one.tenant.clone(), one.item.clone())) != Some(&one.n);
        all.into_iter().filter(is_news).collect()
    }

    pub(crate) fn note(&self, one: Generation) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((one.tenant, one.item), one.n);
    }
}

impl Registry {
    /// Brings every plugin that was changed elsewhere to what its rows say. One that cannot be
    /// loaded goes on answering as before, and is tried again the next time; whether there was none.
    pub async fn refresh(&self) -> Result<bool, RegistryError> {
        let mut is_whole = true;
        for changed in self.0.seen.news(self.0.store.generations(Topic::Plugins).await?) {
            let Ok(name) = changed.item.parse::<PluginName>() else { continue };
            match self.read_again(&changed.tenant, &name).await {
                Ok(()) => self.0.seen.note(changed),
                Err(error) => {
                    is_whole = false;
                    tracing::error!(plugin = %name, error = %Chain(&error), "what another node changed cannot be loaded yet");
                }
            }
        }
        Ok(is_whole)
    }

    /// Notes how often everything was changed, before it is read.
    pub(crate) async fn note_generations(&self) -> Result<(), StoreError> {
        for one in self.0.store.generations(Topic::Plugins).await? {
            self.0.seen.note(one);
        }
        Ok(())
    }

    async fn read_again(&self, tenant: &TenantId, name: &PluginName) -> Result<(), RegistryError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.change(|registry| async move {
            let active = registry.0.store.plugin(&tenant, &name).await?.and_then(|row| row.active);
            match active {
                Some(digest) => {
                    let plugin = Arc::new(registry.load_kept(&tenant, &name, &digest).await?);
                    registry.swap(|live| live.with(plugin.clone()));
                }
                None => registry.swap(|live| live.without(&name)),
            }
            Ok(())
        })
        .await
    }
}
