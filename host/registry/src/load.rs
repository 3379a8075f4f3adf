use std::sync::Arc;

use sophia_sandbox::{Program, SealedAot};
use sophia_store::BlobKind;

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
        let path = self.0.store.blobs().path(BlobKind::Wasm, &version.digest.hex())?;
        if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Err(RegistryError::Lost(version.digest));
        }
        let _permit = self.0.compiles.acquire().await;
        Ok(self.0.sandbox.compile(&path, version.surface.engine()).await?)
    }
}
