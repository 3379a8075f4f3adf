use std::sync::Arc;

use serde::Serialize;
use sophia_domain::{Digest, PluginName, TenantId};
use sophia_sandbox::{Description, Program, SealedAot};
use sophia_store::NewVersion;
use tempfile::NamedTempFile;

use super::{Received, Step, Steps, UploadError, examine::Examined, offer};
use crate::{Registry, RegistryError, Version};

/// A version that passed every check and is not kept yet.
pub(super) struct Staged {
    pub(super) version: Version,
    pub(super) row: NewVersion,
    pub(super) wasm: NamedTempFile,
    pub(super) aot: SealedAot,
    pub(super) program: Arc<Program>,
}

impl Registry {
    /// `compile`, `link`, `describe`.
    pub(super) async fn stage(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        (examined, received): (Examined, Received),
        steps: &mut Steps,
    ) -> Result<Staged, UploadError> {
        let Examined { manifest, text, surface } = examined;
        let aot = {
            let _permit = self.0.compiles.acquire().await;
            self.0.sandbox.compile(received.file.path(), surface.engine()).await?
        };
        steps.done(Step::Compile);
        let program = Arc::new(self.0.sandbox.load(aot.clone(), &surface).await?);
        steps.done(Step::Link);
        let description = describe(&program, tenant, name).await?;
        steps.done(Step::Describe);
        let row = NewVersion {
            digest: received.digest,
            semver: manifest.plugin.version.to_string(),
            world: surface.world,
            size_bytes: received.size_bytes,
            manifest: text,
            surface_json: json(received.digest, "surface", &surface)?,
            description_json: description
                .as_ref()
                .map(|said| json(received.digest, "description", said))
                .transpose()?,
        };
        let version = Version {
            tenant: tenant.clone(),
            name: name.clone(),
            digest: received.digest,
            semver: manifest.plugin.version.clone(),
            world: surface.world,
            manifest,
            surface,
            description,
        };
        Ok(Staged { version, row, wasm: received.file, aot, program })
    }
}

/// What the plugin offers, checked before it is believed.
async fn describe(program: &Program, tenant: &TenantId, name: &PluginName) -> Result<Option<Description>, UploadError> {
    let said = program.describe(tenant.clone(), name.clone()).await.map_err(UploadError::Describe)?;
    if let Some(said) = &said {
        offer::check(said)?;
    }
    Ok(said)
}

fn json(digest: Digest, what: &'static str, value: &impl Serialize) -> Result<String, RegistryError> {
    serde_json::to_string(value).map_err(|_| RegistryError::Unreadable { digest, what })
}
