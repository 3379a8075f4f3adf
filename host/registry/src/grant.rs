use serde::{Deserialize, Serialize};
use sophia_domain::{Digest, PluginName, TenantId};
use sophia_store::{Decision, GrantRow};

use crate::{
    Ask, Grants, Registry, RegistryError, Uploaded, Version, decide,
    upload::{Judged, Step, Steps},
};

/// Which asks of a version are granted. The others are declined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granting {
    /// Every one.
    All,
    /// Those named.
    Only(Vec<String>),
}

/// The decisions on a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantList {
    /// Asks that were granted.
    pub granted: Vec<String>,
    /// Asks that were declined.
    pub declined: Vec<String>,
    /// Asks of the newest version that nobody has decided.
    pub undecided: Vec<String>,
}

impl Registry {
    /// Decides every ask of a version and makes it the one that answers. Without a digest, it is
    /// the newest version.
    pub async fn grant(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        digest: Option<&Digest>,
        granting: Granting,
    ) -> Result<Uploaded, RegistryError> {
        let _turn = self.0.turns.take(tenant, name).await;
        let mut steps = Steps::begin();
        let version = match digest {
            Some(digest) => self.known(tenant, name, digest).await?,
            None => self.newest(tenant, name).await?,
        };
        let only = match &granting {
            Granting::All => None,
            Granting::Only(asks) => Some(asks.as_slice()),
        };
        let rows = decide(&version.manifest, only).map_err(RegistryError::UnknownAsk)?;
        let judged = self.judge_with(&version, &rows).await?;
        steps.done(Step::Diff);
        let program = self.load(&version).await?;
        steps.done(Step::Link);
        self.change(|registry| async move {
            registry.0.store.decide(&version.tenant, &version.name, &rows, &version.digest).await?;
            steps.done(Step::Store);
            let version = std::sync::Arc::new(version);
            registry.go_live(version.clone(), program, &judged.bound);
            steps.done(Step::Activate);
            Ok(Uploaded::of(&version, judged, steps))
        })
        .await
    }

    /// What was decided about a plugin, and what is not.
    pub async fn grants(&self, tenant: &TenantId, name: &PluginName) -> Result<GrantList, RegistryError> {
        let newest = self.newest(tenant, name).await?;
        let rows = self.0.store.grants(tenant, name).await?;
        let of =
            |decision| rows.iter().filter(move |row| row.decision == decision).map(|row| row.ask.clone()).collect();
        let (granted, declined) = (of(Decision::Granted), of(Decision::Declined));
        let grants = Grants::from_rows(rows);
        let asks = newest.manifest.asks();
        let undecided = asks.iter().filter(|ask| grants.decision(ask).is_none()).map(Ask::to_string);
        Ok(GrantList { granted, declined, undecided: undecided.collect() })
    }

    /// How a version stands once these decisions are kept.
    async fn judge_with(&self, version: &Version, rows: &[GrantRow]) -> Result<Judged, RegistryError> {
        let mut judged = self.judge(version).await?;
        let mut all = self.0.store.grants(&version.tenant, &version.name).await?;
        all.retain(|old| rows.iter().all(|new| new.ask != old.ask));
        all.extend_from_slice(rows);
        judged.bound.grants = Grants::from_rows(all);
        let of_running = judged.diff;
        judged.diff = judged.bound.grants.diff(&version.manifest, None);
        (judged.diff.added, judged.diff.removed) = (of_running.added, of_running.removed);
        Ok(judged)
    }
}
