//! What people and tools see of plugins.

use jiff::Timestamp;
use semver::Version as Semver;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sophia_domain::{Digest, Limits, PluginName, TenantId, World};
use sophia_sandbox::Surface;
use sophia_store::{PluginRow, VersionRow};

use crate::{GrantList, Grants, Manifest, Registry, RegistryError, Version, upload::embedded};

/// How a plugin or a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It answers.
    Live,
    /// It could answer: all its asks are decided.
    Ready,
    /// It waits for a decision on its asks.
    Pending,
    /// It should answer and could not be loaded.
    Failed,
}

/// A plugin in the list. Digest, version, world and time are the active version's, or the newest
/// one's where none is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginEntry {
    /// Its name.
    pub name: PluginName,
    /// The world it implements.
    pub world: World,
    /// How it stands.
    pub state: State,
    /// Which version.
    pub digest: Digest,
    /// What the version calls itself.
    pub version: Semver,
    /// When it came.
    pub uploaded_at: Timestamp,
    /// The newest version, where it waits for a decision.
    pub pending: Option<Digest>,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The version that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Which.
    pub digest: Digest,
    /// What it calls itself.
    pub version: Semver,
}

/// All about a plugin. Manifest, description, limits and surface are the active version's, or the
/// newest one's where none is active.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Inspected {
    /// Its name.
    pub name: PluginName,
    /// The world it implements.
    pub world: World,
    /// How it stands.
    pub state: State,
    /// The version that answers; none while every version is pending.
    pub active: Option<Active>,
    /// What it asks for.
    pub manifest: Manifest,
    /// What it offers, schemas as JSON; null for endpoints.
    pub description: Value,
    /// What a call of it may use.
    pub limits: Limits,
    /// What was decided.
    pub grants: GrantList,
    /// What its component imports and exports.
    pub surface: Surface,
    /// Calls under way in the version that answers.
    pub in_flight: usize,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A version in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionEntry {
    /// Which.
    pub digest: Digest,
    /// What it calls itself.
    pub version: Semver,
    /// How it stands.
    pub state: State,
    /// Whether it is the one that answers or should.
    pub active: bool,
    /// Of its component.
    pub size_bytes: u64,
    /// When it came.
    pub uploaded_at: Timestamp,
}

impl Registry {
    /// All plugins of a tenant, by name.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<PluginEntry>, RegistryError> {
        let mut entries = Vec::new();
        for plugin in self.0.store.plugins(tenant).await? {
            entries.extend(self.entry(tenant, &plugin).await?);
        }
        Ok(entries)
    }

    /// All about one plugin.
    pub async fn inspect(&self, tenant: &TenantId, name: &PluginName) -> Result<Inspected, RegistryError> {
        let plugin = self.0.store.plugin(tenant, name).await?.ok_or(RegistryError::UnknownPlugin)?;
        let shown = match &plugin.active {
            Some(digest) => self.kept(tenant, name, digest).await?,
            None => self.newest(tenant, name).await?,
        };
        let grants = self.grants(tenant, name).await?;
        let live = self.live();
        Ok(Inspected {
            name: name.clone(),
            world: shown.world,
            state: self.state_of(&plugin),
            active: plugin.active.map(|digest| Active { digest, version: shown.semver.clone() }),
            description: shown.description.as_ref().map(embedded).unwrap_or_default(),
            limits: shown.manifest.limits.under(&self.0.config.caps),
            grants,
            // The manifest stands above, read.
            surface: Surface { manifest: None, ..shown.surface },
            manifest: shown.manifest,
            in_flight: live.plugin(name.as_str()).map_or(0, |plugin| plugin.in_flight()),
            reason: live.failure(name.as_str()).map(str::to_owned),
        })
    }

    /// The kept versions of a plugin, newest first.
    pub async fn versions(&self, tenant: &TenantId, name: &PluginName) -> Result<Vec<VersionEntry>, RegistryError> {
        let plugin = self.0.store.plugin(tenant, name).await?.ok_or(RegistryError::UnknownPlugin)?;
        let grants = Grants::from_rows(self.0.store.grants(tenant, name).await?);
        let rows = self.0.store.versions(tenant, name).await?;
        let (active, state) = (plugin.active, self.state_of(&plugin));
        let (tenant, name) = (tenant.clone(), name.clone());
        // A hundred manifests take longer to read than an async thread has.
        let read = tokio::task::spawn_blocking(move || {
            let entry = |row: &VersionRow| Version::read_now(&tenant, &name, row).map(|v| entry(&v, row, &grants));
            rows.iter().map(entry).collect::<Result<Vec<_>, _>>()
        });
        let mut entries = read.await.unwrap_or(Err(RegistryError::Abandoned))?;
        if let Some(entry) = entries.iter_mut().find(|entry| Some(entry.digest) == active) {
            (entry.active, entry.state) = (true, state);
        }
        Ok(entries)
    }

    /// The newest version of a plugin.
    pub(crate) async fn newest(&self, tenant: &TenantId, name: &PluginName) -> Result<Version, RegistryError> {
        let row = self.0.store.newest_version(tenant, name).await?;
        Version::read(tenant, name, row.ok_or(RegistryError::UnknownPlugin)?).await
    }

    /// A version that a caller named.
    pub(crate) async fn known(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        digest: &Digest,
    ) -> Result<Version, RegistryError> {
        self.0.store.plugin(tenant, name).await?.ok_or(RegistryError::UnknownPlugin)?;
        self.kept(tenant, name, digest).await
    }

    async fn entry(&self, tenant: &TenantId, plugin: &PluginRow) -> Result<Option<PluginEntry>, RegistryError> {
        let name = &plugin.name;
        // Deleted since it was listed.
        let Some(newest) = self.0.store.newest_version(tenant, name).await? else { return Ok(None) };
        let active = match &plugin.active {
            Some(digest) => self.0.store.version(tenant, name, digest).await?,
            None => None,
        };
        let grants = Grants::from_rows(self.0.store.grants(tenant, name).await?);
        let latest = newest.version.digest;
        // A version that this release cannot read is listed all the same; it cannot be granted.
        let is_pending = plugin.active != Some(latest)
            && Version::read(tenant, name, newest.clone()).await.is_ok_and(|version| !grants.settle(&version.manifest));
        let shown = active.unwrap_or(newest);
        let digest = shown.version.digest;
        let semver = shown.version.semver.parse().map_err(|_| RegistryError::Unreadable { digest, what: "version" })?;
        Ok(Some(PluginEntry {
            name: name.clone(),
            world: shown.version.world,
            state: self.state_of(plugin),
            digest,
            version: semver,
            uploaded_at: shown.uploaded_at,
            pending: is_pending.then_some(latest),
            reason: self.live().failure(name.as_str()).map(str::to_owned),
        }))
    }

    fn state_of(&self, plugin: &PluginRow) -> State {
        match plugin.active {
            None => State::Pending,
            Some(_) if self.live().failure(plugin.name.as_str()).is_some() => State::Failed,
            Some(_) => State::Live,
        }
    }
}

/// A version that is not active.
fn entry(version: &Version, row: &VersionRow, grants: &Grants) -> VersionEntry {
    VersionEntry {
        digest: version.digest,
        version: version.semver.clone(),
        state: if grants.settle(&version.manifest) { State::Ready } else { State::Pending },
        active: false,
        size_bytes: row.version.size_bytes,
        uploaded_at: row.uploaded_at,
    }
}
