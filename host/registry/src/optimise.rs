//! Optimised code in place of quick code, behind everybody's back. An upload is live on code that
//! was compiled quickly; its version is put on the [`Backlog`], which one task works off, the
//! newest first. Only optimised code is kept, so what is not reached before the node ends is
//! compiled at the next start.

mod backlog;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sophia_domain::Chain;
use sophia_sandbox::{Effort, Program, SealedAot};

pub(crate) use backlog::Backlog;
use backlog::VersionKey;

use crate::{Registry, RegistryError, Version};

/// From an upload to the first compilation: its answer and the first call after it go before.
const HEAD_START: Duration = Duration::from_millis(50);

/// Optimised code, loaded.
struct Optimised {
    program: Arc<Program>,
    /// Still to be kept; none where it is kept already.
    aot: Option<SealedAot>,
}

impl Registry {
    /// Has a kept version's code optimised, soon and in the background.
    pub(crate) fn optimise_later(&self, version: &Version) {
        if self.0.backlog.push(VersionKey::of(version)) {
            let registry = self.clone();
            self.0.tasks.spawn(async move { registry.work_off().await });
        }
    }

    /// Optimises until nothing is left or the node goes down, which ends a compilation under way.
    async fn work_off(&self) {
        let work = async {
            tokio::time::sleep(HEAD_START).await;
            while let Some(key) = self.0.backlog.next() {
                if let Err(error) = self.optimise(&key).await {
                    tracing::warn!(
                        plugin = %key.name, digest = %key.digest, error = %Chain(&error),
                        "code could not be optimised; the next start tries again"
                    );
                }
            }
        };
        let _ = self.0.stop.run_until_cancelled(work).await;
    }

    async fn optimise(&self, key: &VersionKey) -> Result<(), RegistryError> {
        let began = Instant::now();
        let Some(row) = self.0.store.version(&key.tenant, &key.name, &key.digest).await? else {
            return Ok(());
        };
        let version = Version::read(&key.tenant, &key.name, row).await?;
        let optimised = self.optimised(&version).await?;
        if self.change(|registry| registry.exchange(version, optimised)).await? {
            let ms = began.elapsed().as_millis();
            tracing::info!(plugin = %key.name, digest = %key.digest, ms, "optimised code took the place of quick code");
        }
        Ok(())
    }

    /// From the code that is kept, as a plugin of the same bytes may have left it, or compiled.
    async fn optimised(&self, version: &Version) -> Result<Optimised, RegistryError> {
        if let Some(program) = self.load_kept_code(version).await? {
            return Ok(Optimised { program, aot: None });
        }
        let aot = self.compile_kept(version, Effort::Idle).await?;
        let program = Arc::new(self.0.sandbox.load(aot.clone(), &version.surface).await?);
        Ok(Optimised { program, aot: Some(aot) })
    }

    /// Keeps the code and lets the next calls run it, wherever this digest answers. Whatever else
    /// went live meanwhile stays. Answers whether it replaced anything.
    async fn exchange(self, version: Version, optimised: Optimised) -> Result<bool, RegistryError> {
        let Version { tenant, name, digest, .. } = &version;
        // Deleted or pruned while it was compiled: nobody would ever remove its code.
        if self.0.store.version(tenant, name, digest).await?.is_none() {
            return Ok(false);
        }
        if let Some(aot) = optimised.aot {
            self.keep_code(&version, &aot).await?;
        }
        let is_live = self.live().runs_quick_code(digest);
        self.swap(|live| live.with_optimised(digest, &optimised.program));
        Ok(is_live)
    }
}
