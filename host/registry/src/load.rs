use std::{io::Write, sync::Arc};

use serde::{Deserialize, Serialize};
use sophia_domain::Digest;
use sophia_sandbox::{CompileError, Effort, Program, SealedAot};
use sophia_store::BlobKind;
use tempfile::NamedTempFile;

use crate::{Registry, RegistryError, Version};

/// How far the code of a loaded version was optimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// Compiled quickly, so that the version could answer soon. It is never kept.
    Quick,
    /// Optimised; what the next start loads.
    Optimised,
}

/// A version's program, and what its code is.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) program: Arc<Program>,
    pub(crate) code: Code,
}

impl Registry {
    /// Loads a kept version for somebody who waits: from the code that is kept, or where that is
    /// missing or was made by another release, from the component, compiled quickly.
    pub(crate) async fn load(&self, version: &Version) -> Result<Loaded, RegistryError> {
        match self.load_kept_code(version).await? {
            Some(program) => Ok(Loaded { program, code: Code::Optimised }),
            None => self.load_quickly(version).await,
        }
    }

    /// Loads a kept version at the start of the node, when no call waits yet: where no code is kept
    /// it is optimised first, and kept. What is too costly to optimise answers all the same.
    pub(crate) async fn load_at_start(&self, version: &Version) -> Result<Loaded, RegistryError> {
        if let Some(program) = self.load_kept_code(version).await? {
            return Ok(Loaded { program, code: Code::Optimised });
        }
        let aot = match self.compile_kept(version, Effort::Full).await {
            Err(RegistryError::Compile(error @ CompileError::TooCostly(_))) => {
                tracing::warn!(
                    plugin = %version.name, digest = %version.digest, %error,
                    "code could not be optimised; the version answers on quick code"
                );
                return self.load_quickly(version).await;
            }
            made => made?,
        };
        self.keep_code(version, &aot).await?;
        let program = Arc::new(self.0.sandbox.load(aot, &version.surface).await?);
        Ok(Loaded { program, code: Code::Optimised })
    }

    /// Loads the code that is kept; none where there is none that can be used.
    pub(crate) async fn load_kept_code(&self, version: &Version) -> Result<Option<Arc<Program>>, RegistryError> {
        let name = self.aot_name(&version.digest, version.surface.engine());
        let Some(code) = self.0.store.blobs().get(BlobKind::Aot, &name).await? else {
            return Ok(None);
        };
        match self.0.sandbox.load(SealedAot::from_bytes(code), &version.surface).await {
            Ok(program) => Ok(Some(Arc::new(program))),
            Err(error) => {
                tracing::warn!(
                    plugin = %version.name, digest = %version.digest, %error,
                    "compiled code cannot be used and is made again"
                );
                Ok(None)
            }
        }
    }

    /// Keeps a version's code. It must be optimised: the next start runs what it finds.
    pub(crate) async fn keep_code(&self, version: &Version, optimised: &SealedAot) -> Result<(), RegistryError> {
        let name = self.aot_name(&version.digest, version.surface.engine());
        Ok(self.0.store.blobs().put(BlobKind::Aot, &name, optimised.as_bytes().to_vec()).await?)
    }

    /// Compiles a kept component again. What nobody waits for takes no place from those who do.
    pub(crate) async fn compile_kept(&self, version: &Version, effort: Effort) -> Result<SealedAot, RegistryError> {
        let _permit = match effort {
            Effort::Idle => None,
            Effort::Quick | Effort::Full => self.0.compiles.acquire().await.ok(),
        };
        let component = self.kept_component(version.digest).await?;
        Ok(self.0.sandbox.compile(component.path(), version.surface.engine(), effort).await?)
    }

    async fn load_quickly(&self, version: &Version) -> Result<Loaded, RegistryError> {
        let aot = self.compile_kept(version, Effort::Quick).await?;
        let program = Arc::new(self.0.sandbox.load(aot, &version.surface).await?);
        Ok(Loaded { program, code: Code::Quick })
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
