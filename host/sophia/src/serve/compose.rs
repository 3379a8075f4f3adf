//! Who is wired to whom.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use anyhow::Context;
use sophia_egress::{Egress, EgressConfig};
use sophia_identity::{Identity, NewKey};
use sophia_ledger::{Ledger, Quotas};
use sophia_models::{Models, Parts, WorkerUrl};
use sophia_registry::{Registry, RegistryConfig};
use sophia_runs::{Parts as RunParts, Runs};
use sophia_sandbox::{Ports, Sandbox, SandboxConfig};
use sophia_store::{DatabaseUrl, Places, RedisUrl, Store};
use sophia_vault::{MasterKey, Vault};
use tokio_util::task::TaskTracker;

use super::Given;
use crate::{
    admission::Admission, config::Config, drain::Drain, lines::LineSink, logs::PluginLogs, metrics::Metrics,
    node::Node, policy_routing::PolicyRouting, share::Freshness,
};

/// This very binary, also when its file was replaced since.
const SELF: &str = "/proc/self/exe";

/// Instances for policies beyond those of calls: a call that waits for a model holds its own while
/// the policy decides. A policy computes some microseconds and waits for nothing, so that few run
/// at the same time; up to 32 that have answered wait to be taken apart.
const POLICY_INSTANCES: u32 = 64;

/// Opens the rooms and wires them. The key is there at the first start only.
pub(super) async fn node(
    config: Config,
    given: Given,
    address: SocketAddr,
    lines: LineSink,
) -> anyhow::Result<(Arc<Node>, Option<NewKey>)> {
    let began = Instant::now();
    let store = open_store(&config, &given).await?;
    let freshness = Freshness::new(!store.is_shared());
    let (identity, new_key) = Identity::open(store.clone(), given.operator, config.environment).await?;
    let master = MasterKey::load_or_create(&config.data, given.master.as_deref())?;
    let vault = Vault::open(store.clone(), config.environment.as_str(), master).await?;
    let egress = Egress::new(config.egress.clone())?;
    let ledger = Ledger::open_with(store.clone(), Quotas::open(store.clone(), config.quotas.clone()).await?).await?;
    let routing = Arc::new(PolicyRouting::new(config.models.policy.clone()));
    let to_models = Egress::new(to_models(&config))?;
    let parts = Parts { egress: to_models, vault: &vault, ledger: ledger.clone(), policy: routing.clone() };
    let models = Models::new(config.models.upstreams.clone(), parts);
    let logs = Arc::new(PluginLogs::default());
    let sandbox = Sandbox::new(SandboxConfig {
        compiler: SELF.into(),
        aot_key: vault.derive("aot"),
        max_calls: config.calls.max_concurrent.saturating_add(POLICY_INSTANCES),
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
    let parts = RunParts { store: store.clone(), ledger: ledger.clone(), models: models.clone(), config: config.runs };
    let runs = Runs::open(parts).await?;
    let metrics = Arc::new(Metrics::default());
    routing.wire(registry.clone(), metrics.clone());
    let node = Node {
        address,
        admission: Arc::new(Admission::new(config.calls, config.models.max_concurrent)),
        metrics,
        drain: Drain::default(),
        tasks: TaskTracker::new(),
        config,
        store,
        identity,
        vault,
        ledger,
        models,
        registry,
        runs,
        logs,
        lines,
        freshness,
        began,
    };
    Ok((Arc::new(node), new_key))
}

/// Rows and what goes with them, where the environment says they are.
async fn open_store(config: &Config, given: &Given) -> anyhow::Result<Store> {
    let mut places = Places::in_directory(&config.data);
    if let Some(url) = &given.database {
        places.database =
            Some(DatabaseUrl::parse(url).context("DATABASE_URL must be postgres://USER:PASSWORD@HOST/NAME")?);
    }
    if let Some(url) = &given.redis {
        places.redis =
            Some(RedisUrl::parse(url).context("REDIS_URL must be redis://USER:PASSWORD@HOST/0, or rediss://")?);
    }
    let rows = if places.database.is_some() { "the database of DATABASE_URL" } else { "SQLite" };
    Store::open_at(&places)
        .await
        .with_context(|| format!("cannot open the data directory {} with rows in {rows}", config.data.display()))
}

/// The way out to models: a worker's private address may be reached here, and only here.
fn to_models(config: &Config) -> EgressConfig {
    let looked_for = config.models.worker.iter().map(WorkerUrl::address).map(str::to_owned);
    let named = config.models.upstreams.named().into_iter().chain(looked_for).collect();
    EgressConfig { named, ..config.egress.clone() }
}
