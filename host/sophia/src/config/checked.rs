use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Serialize;
use sophia_domain::{ByteSize, Environment, Limits, PluginName};
use sophia_egress::EgressConfig;
use sophia_ledger::QuotaDefaults;
use sophia_models::WorkerUrl;
use sophia_runs::RunsConfig;
use tracing_subscriber::filter::Targets;
use url::Url;

use super::{ConfigError, RawConfig, check::Check};

/// What will run: checked and resolved. Built once at boot.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to listen. Port 0 lets the system choose.
    pub(crate) listen: SocketAddr,
    /// Directory of the state.
    pub(crate) data: PathBuf,
    /// Which secrets are seen.
    pub(crate) environment: Environment,
    /// The listener and its connections.
    pub(crate) http: Http,
    /// Networks that may read `/metrics` without a key, where no proxy stands between.
    pub(crate) metrics_open_to: Vec<IpNet>,
    /// The way out.
    pub(crate) egress: EgressConfig,
    /// The most that a plugin may ask for.
    pub(crate) caps: Limits,
    /// How many calls run at once.
    pub(crate) calls: Calls,
    /// What every tenant and every key may use, until something else is set.
    pub(crate) quotas: QuotaDefaults,
    /// Who serves models.
    pub(crate) models: ModelRoutes,
    /// Runs of patterns.
    pub(crate) runs: RunsConfig,
    /// What may be uploaded.
    pub(crate) uploads: Uploads,
    /// Logs and traces.
    pub(crate) telemetry: TelemetryConfig,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The listener and its connections.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// Time that requests in flight get when the node stops.
    pub(crate) drain: Duration,
    /// Most connections at once; more wait in the kernel's queue.
    pub(crate) max_connections: usize,
    /// Scheme and host under which callers reach this node.
    pub(crate) public_url: Option<Url>,
}

/// How many calls run at once.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Calls {
    /// Calls of the whole node.
    pub(crate) max_concurrent: u32,
    /// Calls of one plugin.
    pub(crate) max_concurrent_per_plugin: u32,
    /// Linear memory of all calls together.
    pub(crate) pool_memory: ByteSize,
}

/// Who serves models, and who decides between them.
#[derive(Debug, Clone)]
pub(crate) struct ModelRoutes {
    /// Workers and providers, and what happens when the policy fails.
    pub(crate) upstreams: sophia_models::Config,
    /// The policy that decides. None: the only live one that routes.
    pub(crate) policy: Option<PluginName>,
    /// Requests of callers that are under way at once.
    pub(crate) max_concurrent: u32,
    /// Where a worker is looked for.
    pub(crate) worker: Option<WorkerUrl>,
}

/// What may be uploaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uploads {
    /// Largest component.
    pub(crate) max: ByteSize,
    /// Compilations at once.
    pub(crate) max_compiles: u32,
}

/// Logs and traces.
#[derive(Debug, Clone)]
pub(crate) struct TelemetryConfig {
    /// Where spans go, `/v1/traces` included. None: nowhere, at no cost.
    pub(crate) otlp_traces: Option<Url>,
    /// How log lines are written.
    pub(crate) log_format: LogFormat,
    /// Which are.
    pub(crate) log: Targets,
}

impl Config {
    /// Checks everything, and says everything that is wrong.
    pub(crate) fn check(raw: RawConfig) -> Result<Self, ConfigError> {
        let mut check = Check::default();
        let environment = check.environment(raw.environment);
        let config = Self {
            listen: check.listen(raw.listen),
            data: check.data(raw.data),
            environment,
            http: check.http(raw.http),
            metrics_open_to: check.metrics(raw.metrics),
            egress: check.egress(raw.egress),
            caps: check.limits(raw.limits),
            calls: check.calls(raw.calls),
            quotas: check.quotas(&raw.quotas),
            models: check.models(raw.models, environment),
            runs: check.runs(raw.runs),
            uploads: check.uploads(raw.uploads),
            telemetry: check.telemetry(raw.telemetry),
        };
        check.end(config)
    }
}

#[cfg(test)]
mod tests;
