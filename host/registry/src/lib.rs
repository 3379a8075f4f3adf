//! Plugins and their versions: what was uploaded, what was asked for and granted, what answers.
//!
//! Entry points: [`Registry::upload`] takes a component through the pipeline of steps,
//! [`Registry::live`] is what the data path reads. Decisions on asks are pure ([`Grants`],
//! [`decide`]); rows are the truth, and [`Live`] is built from them, after their commit. It does
//! not call plugins, but for `describe` at upload.

mod asks;
mod boot;
mod change;
mod connections;
mod error;
mod grant;
mod listing;
mod live;
mod load;
mod manifest;
mod refresh;
mod rollback;
mod upload;
mod version;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use sophia_domain::{ByteSize, Limits};
use sophia_ledger::RateWindows;
use sophia_sandbox::Sandbox;
use sophia_store::Store;
use sophia_vault::Vault;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub use asks::{Ask, Diff, Grants, decide};
pub use connections::Connection;
pub use error::RegistryError;
pub use grant::{GrantList, Granting};
pub use listing::{Active, Inspected, PluginEntry, State, VersionEntry};
pub use live::{InFlight, Live, LiveConnection, LivePlugin};
pub use manifest::{
    About, Access, ConfigAsks, ConfigKey, ConnectorAsks, CredentialAsk, EgressAsks, EndpointAsks, Manifest,
    ManifestError, MemoryAsks, ModelAsks, RateAsk, SignatureAsk,
};
pub use rollback::RolledBack;
pub use upload::{BoxError, OfferError, Received, StepTime, UploadError, Uploaded};
pub use version::Version;

use crate::{change::Turns, refresh::Seen};

/// All plugins of a node. Opened once at boot; cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

/// What the operator decides about uploads. Read once at boot.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Largest component.
    pub max_upload: ByteSize,
    /// What no manifest can ask beyond.
    pub caps: Limits,
    /// Uploads between `validate` and `describe` at a time. Each holds the component in memory
    /// for a moment and has a compiling process of its own, of up to some hundred MB.
    pub max_compiles: usize,
}

struct Inner {
    store: Store,
    sandbox: Sandbox,
    vault: Vault,
    rates: RateWindows,
    config: RegistryConfig,
    live: ArcSwap<Live>,
    compiles: Semaphore,
    /// One upload, grant, rollback or deletion of a plugin at a time.
    turns: Turns,
    /// One change to rows, blobs and the snapshot at a time.
    changes: Semaphore,
    /// Changes under way, which go on when the caller leaves.
    tasks: TaskTracker,
    seen: Seen,
}

impl Registry {
    /// What answers now. Lock-free; hold it no longer than it takes to find a plugin.
    pub fn live(&self) -> Guard<Arc<Live>> {
        self.0.live.load()
    }

    /// Waits for the changes that are under way. Called at shutdown, when no more come in.
    pub async fn drain(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}
