//! Everything that a request may need.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use sophia_identity::Identity;
use sophia_ledger::Ledger;
use sophia_models::Models;
use sophia_registry::Registry;
use sophia_runs::Runs;
use sophia_store::Store;
use sophia_vault::Vault;
use tokio_util::task::TaskTracker;

use crate::{
    admission::Admission, config::Config, drain::Drain, lines::LineSink, logs::PluginLogs, metrics::Metrics,
    share::Freshness,
};

/// One running node. Built once at boot by [`crate::serve`]; shared by every connection.
pub(crate) struct Node {
    /// What the operator decided.
    pub(crate) config: Config,
    /// Where it listens, the port resolved.
    pub(crate) address: SocketAddr,
    /// Rows and blobs.
    pub(crate) store: Store,
    /// Who is who.
    pub(crate) identity: Identity,
    /// Secrets.
    pub(crate) vault: Vault,
    /// Money.
    pub(crate) ledger: Ledger,
    /// The way to every model.
    pub(crate) models: Models,
    /// Plugins.
    pub(crate) registry: Registry,
    /// Runs of patterns.
    pub(crate) runs: Runs,
    /// Who may call now.
    pub(crate) admission: Arc<Admission>,
    /// What plugins logged.
    pub(crate) logs: Arc<PluginLogs>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Takes access lines.
    pub(crate) lines: LineSink,
    /// Whether it stops.
    pub(crate) drain: Drain,
    /// Every task that must end before it does: connections first of all.
    pub(crate) tasks: TaskTracker,
    /// How old its knowledge of what other nodes changed is.
    pub(crate) freshness: Freshness,
    /// When it began.
    pub(crate) began: Instant,
}
