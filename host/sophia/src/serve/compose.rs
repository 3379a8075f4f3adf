//! Who is wired to whom.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use anyhow::Context;
use sophia_egress::Egress;
use sophia_identity::{Identity, NewKey};
use sophia_ledger::Ledger;
use sophia_models::{Config as ModelsConfig, Models, Parts};
use sophia_registry::{Registry, RegistryConfig};
use sophia_sandbox::{Ports, Sandbox, SandboxConfig};
use sophia_store::Store;
use sophia_vault::{MasterKey, Vault};
use tokio_util::task::TaskTracker;

use super::GivenKeys;
use crate::{
    admission::Admission, config::Config, drain::Drain, lines::LineSink, logs::PluginLogs, metrics::Metrics,
    node::Node, policy_routing::PolicyRouting,
};

/// This very binary, also when its file was replaced since.
const SELF: &str = "/proc/self/exe";

/// Opens the rooms and wires them. The key is there at the first start only.
pub(super) async fn node(
    config: Config,
    given: GivenKeys,
    address: SocketAddr,
    lines: LineSink,
) -> anyhow::Result<(Arc<Node>, Option<NewKey>)> {
    let data = &config.data;
    let began = Instant::now();
    let store =
        Store::open(data).await.with_context(|| format!("cannot open the data directory {}", data.display()))?;
    let (identity, new_key) = Identity::open(store.clone(), given.operator).await?;
    let master = MasterKey::load_or_create(data, given.master.as_deref())?;
    let vault = Vault::open(store.clone(), config.environment.as_str(), master).await?;
    let egress = Egress::new(config.egress.clone())?;
    let ledger = Ledger::open(store.clone()).await?;
    let routing = Arc::new(PolicyRouting::default());
    let to_models = Egress::new(config.egress.clone())?;
    let parts = Parts { egress: to_models, vault: &vault, ledger: ledger.clone(), policy: routing.clone() };
    let models = Models::new(ModelsConfig::default(), parts);
    let logs = Arc::new(PluginLogs::default());
    let sandbox = Sandbox::new(SandboxConfig {
        compiler: SELF.into(),
        aot_key: vault.derive("aot"),
        max_calls: config.calls.max_concurrent,
        max_memory: config.caps.memory,
        ports: Ports { egress, vault: vault.clone(), models: models.clone(), log: logs.clone() },
        inspector: None,
    })?;
    let uploads = RegistryConfig {
        max_upload: config.uploads.max,
        caps: config.caps,
        max_compiles: config.uploads.max_compiles as usize,
    };
    let registry = Registry::open(store.clone(), sandbox, vault.clone(), uploads).await?;
    let node = Node {
        address,
        admission: Arc::new(Admission::new(config.calls)),
        metrics: Arc::new(Metrics::default()),
        drain: Drain::default(),
        tasks: TaskTracker::new(),
        config,
        store,
        identity,
        vault,
        ledger,
        models,
        registry,
        logs,
        lines,
        began,
    };
    Ok((Arc::new(node), new_key))
}
