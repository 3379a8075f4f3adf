use std::{io::Write, sync::Arc};

use sophia_domain::Digest;
use sophia_sandbox::{Program, SealedAot};
use sophia_store::BlobKind;
use tempfile::NamedTempFile;

use crate::{Registry, RegistryError, Version};

impl Registry {
    /// Loads a kept version: from its compiled code, or where that is missing or was made by
    /// another release, from the component, which is compiled again.
    pub(crate) async fn load(&self, version: &Version) -> Result<Arc<Program>, RegistryError> {
        let name = self.aot_name(&version.digest, version.surface.engine());
        if let Some(code) = self.0.store.blobs().get(BlobKind::Aot, &name).await? {
            match self.0.sandbox.load(SealedAot::from_bytes(code), &version.surface).await {
                Ok(program) => return Ok(Arc::new(program)),
                Err(error) => tracing::warn!(
                    plugin = %version.name, digest = %version.digest, %error,
                    "compiled code cannot be used and is made again"
                ),
            }
        }
        let aot = self.compile_again(version).await?;
        self.0.store.blobs().put(BlobKind::Aot, &name, aot.as_bytes().to_vec()).await?;
        Ok(Arc::new(self.0.sandbox.load(aot, &version.surface).await?))
    }

    async fn compile_again(&self, version: &Version) -> Result<SealedAot, RegistryError> {
        let _permit = self.0.compiles.acquire().await;
        let component = self.kept_component(version.digest).await?;
        Ok(self.0.sandbox.compile(component.path(), version.surface.engine()).await?)
    }

    /// A copy of the kept component that nobody else can reach, so that what was compared with the
    /// digest is what is compiled.
    async fn kept_component(&self, digest: Digest) -> Result<NamedTempFile, RegistryError> {
        let kept = self.0.store.blobs().get(BlobKind::Wasm, &digest.hex()).await?;
        let bytes = kept.ok_or(RegistryError::Lost(digest))?;
        let folder = self.0.store.temp_dir().to_owned();
        let copied = tokio::task::spawn_blocking(move || {
            if Digest::of(&bytes) != digest {
                return Err(RegistryError::Damaged(digest));
            }
            let mut copy = NamedTempFile::new_in(folder).map_err(RegistryError::Temporary)?;
            copy.write_all(&bytes).map_err(RegistryError::Temporary)?;
            Ok(copy)
        });
        copied.await.unwrap_or(Err(RegistryError::Abandoned))
    }
}
