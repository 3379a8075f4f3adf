use semver::Version as Semver;
use sophia_domain::{Digest, PluginName, TenantId, World};
use sophia_sandbox::{Description, Surface};
use sophia_store::VersionRow;

use crate::{Manifest, RegistryError};

/// A version as it is kept: what stays the same for as long as it is. Shared by its calls.
#[derive(Debug, Clone)]
pub struct Version {
    /// Whose it is.
    pub tenant: TenantId,
    /// The plugin it is a version of.
    pub name: PluginName,
    /// Of the component as uploaded.
    pub digest: Digest,
    /// What the version calls itself.
    pub semver: Semver,
    /// The world it implements.
    pub world: World,
    /// What it asks for.
    pub manifest: Manifest,
    /// What its component imports and exports.
    pub surface: Surface,
    /// What it offers; none for endpoints.
    pub description: Option<Description>,
}

impl Version {
    /// Reads a row. Fails where another release wrote what this one does not understand.
    pub(crate) async fn read(tenant: &TenantId, name: &PluginName, row: VersionRow) -> Result<Self, RegistryError> {
        let (tenant, name) = (tenant.clone(), name.clone());
        // The patterns of a manifest take longer to read than an async thread has.
        let read = tokio::task::spawn_blocking(move || Self::read_now(&tenant, &name, &row));
        read.await.unwrap_or(Err(RegistryError::Abandoned))
    }

    /// As [`Version::read`], off the async threads.
    pub(crate) fn read_now(tenant: &TenantId, name: &PluginName, row: &VersionRow) -> Result<Self, RegistryError> {
        let row = &row.version;
        let unreadable = |what| RegistryError::Unreadable { digest: row.digest, what };
        let description = row.description_json.as_deref().map(serde_json::from_str).transpose();
        let manifest = match &row.manifest {
            Some(text) => Manifest::parse(text).map_err(|_| unreadable("manifest"))?,
            None => Manifest::of_silent(name.clone(), row.world),
        };
        Ok(Self {
            tenant: tenant.clone(),
            name: name.clone(),
            digest: row.digest,
            semver: manifest.plugin.version.clone(),
            world: row.world,
            manifest,
            surface: serde_json::from_str(&row.surface_json).map_err(|_| unreadable("surface"))?,
            description: description.map_err(|_| unreadable("description"))?,
        })
    }
}
