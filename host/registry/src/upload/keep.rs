use std::sync::Arc;

use sophia_domain::{Digest, PluginName, TenantId};
use sophia_sandbox::Program;
use sophia_store::{Activate, BlobKind, VersionRow};

use super::{Received, Step, Steps, UploadError, Uploaded, examine::Examined, stage::Staged};
use crate::{Diff, Registry, RegistryError, Version, change::Bound};

/// A version beside what was decided and what answers now.
pub(crate) struct Judged {
    pub(crate) bound: Bound,
    pub(crate) diff: Diff,
    /// The active version, if there is one.
    pub(crate) running: Option<Digest>,
}

impl Judged {
    /// Whether asks are undecided.
    pub(crate) fn is_pending(&self) -> bool {
        !self.diff.undecided.is_empty()
    }
}

impl Registry {
    /// `diff`: compares a version with the grants and with the active version.
    pub(crate) async fn judge(&self, version: &Version) -> Result<Judged, RegistryError> {
        let (tenant, name) = (&version.tenant, &version.name);
        let bound = self.bound(tenant, name).await?;
        let running = self.0.store.plugin(tenant, name).await?.and_then(|plugin| plugin.active);
        let active = match &running {
            // An active version that cannot be read any more has no asks to compare with.
            Some(digest) => self.kept(tenant, name, digest).await.ok(),
            None => None,
        };
        let diff = bound.grants.diff(&version.manifest, active.as_ref().map(|version| &version.manifest));
        Ok(Judged { bound, diff, running })
    }

    /// `store`, `activate`. Blobs come before the row, the row's commit before the swap.
    pub(super) async fn keep(self, staged: Staged, judged: Judged, mut steps: Steps) -> Result<Uploaded, UploadError> {
        let Staged { version, row, wasm, aot, program } = staged;
        let (blobs, digest) = (self.0.store.blobs(), version.digest);
        let (wasm_name, aot_name) = (digest.hex(), self.aot_name(&digest, version.surface.engine()));
        let kept = async {
            tokio::try_join!(
                blobs.put_file(BlobKind::Wasm, &wasm_name, wasm),
                blobs.put(BlobKind::Aot, &aot_name, aot.as_bytes().to_vec()),
            )?;
            let when = if judged.is_pending() { Activate::Later } else { Activate::Now };
            self.0.store.add_version(&version.tenant, &version.name, &row, when).await
        };
        let pruned = kept.await.map_err(RegistryError::from)?;
        steps.done(Step::Store);
        let version = Arc::new(version);
        match judged.is_pending() {
            true => steps.done_with(Step::Activate, "waits for a decision on its asks"),
            false => {
                self.go_live(version.clone(), program, &judged.bound);
                steps.done(Step::Activate);
            }
        }
        self.forget_blobs(&pruned).await;
        Ok(Uploaded::of(&version, judged, steps))
    }

    /// The same bytes again: nothing is compiled, described or kept anew.
    pub(super) async fn install_again(
        &self,
        tenant: &TenantId,
        (name, row): (&PluginName, &VersionRow),
        (examined, received): (Examined, Received),
        mut steps: Steps,
    ) -> Result<Uploaded, UploadError> {
        if row.version.manifest != examined.text {
            return Err(UploadError::AnotherManifest);
        }
        self.restore(received).await?;
        let version = Version::read(tenant, name, row.clone()).await?;
        let judged = self.judge(&version).await?;
        steps.done_with(Step::Diff, "these bytes are kept already");
        if judged.is_pending() {
            return Ok(Uploaded::of(&version, judged, steps));
        }
        if self.live().plugin(name.as_str()).is_some_and(|live| live.digest == version.digest) {
            steps.done_with(Step::Activate, "it answers already");
            return Ok(Uploaded::of(&version, judged, steps));
        }
        let program = self.load(&version).await?;
        steps.done(Step::Link);
        let (version, judged) = self.activate(version, program, judged).await?;
        steps.done(Step::Activate);
        Ok(Uploaded::of(&version, judged, steps))
    }

    /// Makes a kept version the one that answers.
    pub(crate) async fn activate(
        &self,
        version: Version,
        program: Arc<Program>,
        judged: Judged,
    ) -> Result<(Arc<Version>, Judged), RegistryError> {
        self.change(|registry| async move {
            registry.0.store.activate(&version.tenant, &version.name, &version.digest).await?;
            let version = Arc::new(version);
            registry.go_live(version.clone(), program, &judged.bound);
            Ok((version, judged))
        })
        .await
    }

    /// Swaps a version in. Its row is committed.
    pub(crate) fn go_live(&self, version: Arc<Version>, program: Arc<Program>, bound: &Bound) {
        tracing::info!(plugin = %version.name, digest = %version.digest, semver = %version.semver, "a version went live");
        let plugin = Arc::new(self.binding(bound).bind(version, program));
        self.swap(|live| live.with(plugin.clone()));
    }

    /// Puts a component back whose blob may be gone or damaged, as somebody who uploads it again expects.
    async fn restore(&self, received: Received) -> Result<(), UploadError> {
        let (blobs, name) = (self.0.store.blobs(), received.digest.hex());
        Ok(blobs.put_file(BlobKind::Wasm, &name, received.file).await.map_err(RegistryError::from)?)
    }
}
