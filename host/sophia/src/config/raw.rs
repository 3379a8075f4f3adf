use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use sophia_models::{OnFault, RawUpstream};

/// What was written, field for field. Values stay text, so that every wrong one can be named
/// at once instead of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawConfig {
    /// Address and port to listen on.
    pub(crate) listen: Option<String>,
    /// Directory of the state.
    pub(crate) data: Option<PathBuf>,
    /// `development`, `staging` or `production`.
    pub(crate) environment: Option<String>,
    /// The listener and its connections.
    pub(crate) http: RawHttp,
    /// Who may read `/metrics` without a key.
    pub(crate) metrics: RawMetrics,
    /// The way out.
    pub(crate) egress: RawEgress,
    /// The most that a plugin may ask for.
    pub(crate) limits: RawLimits,
    /// How many calls run at once.
    pub(crate) calls: RawCalls,
    /// What every tenant and every key may use.
    pub(crate) quotas: RawQuotas,
    /// Who serves models.
    pub(crate) models: RawModels,
    /// Runs of patterns.
    pub(crate) runs: RawRuns,
    /// What may be uploaded.
    pub(crate) uploads: RawUploads,
    /// Logs and traces.
    pub(crate) telemetry: RawTelemetry,
}

/// `[http]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawHttp {
    /// Time that requests in flight get when the node stops.
    pub(crate) drain: Option<String>,
    /// Most connections at once.
    pub(crate) max_connections: Option<u32>,
    /// Scheme and host under which callers reach this node; webhooks are signed over it.
    pub(crate) public_url: Option<String>,
}

/// `[metrics]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawMetrics {
    /// Networks that need no key.
    pub(crate) open_to: Option<Vec<String>>,
}

/// `[egress]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawEgress {
    /// `host:port` that may be reached although private.
    pub(crate) named: Vec<String>,
    /// `host:port` and the address that connections to it go to.
    pub(crate) connect_to: BTreeMap<String, String>,
    /// PEM file of further roots.
    pub(crate) ca_file: Option<PathBuf>,
}

/// `[limits]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLimits {
    pub(crate) memory: Option<String>,
    pub(crate) cpu: Option<String>,
    pub(crate) wall: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) response: Option<String>,
    pub(crate) host_calls: Option<u32>,
    pub(crate) log: Option<String>,
    pub(crate) reuse: Option<u32>,
}

/// `[calls]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawCalls {
    /// Calls of the whole node.
    pub(crate) max_concurrent: Option<u32>,
    /// Calls of one plugin.
    pub(crate) max_concurrent_per_plugin: Option<u32>,
}

/// `[quotas]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawQuotas {
    /// Of each tenant, such as `requests=6000/min`.
    pub(crate) tenant: Vec<String>,
    /// Of each key.
    pub(crate) key: Vec<String>,
}

/// `[uploads]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawUploads {
    /// Largest component.
    pub(crate) max: Option<String>,
    /// Compilations at once.
    pub(crate) max_compiles: Option<u32>,
}

/// `[telemetry]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawTelemetry {
    /// Base URL of an OTLP/HTTP collector.
    pub(crate) otlp_endpoint: Option<String>,
    /// `text` or `json`.
    pub(crate) log_format: Option<String>,
    /// Levels by target, such as `info,sophia_registry=debug`.
    pub(crate) log: Option<String>,
}

/// `[models]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawModels {
    /// The plugin that decides where a request goes.
    pub(crate) policy: Option<String>,
    /// Requests of callers that are under way at once.
    pub(crate) max_concurrent: Option<u32>,
    /// Where a worker is looked for, or `off`.
    pub(crate) worker_url: Option<String>,
    /// What happens when the routing policy fails.
    pub(crate) on_fault: OnFault,
    /// Workers and providers.
    pub(crate) upstream: Vec<RawUpstream>,
}

/// `[runs]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawRuns {
    /// What a run may cost where the caller says nothing.
    pub(crate) budget: Option<String>,
    /// The most that a caller may say.
    pub(crate) max_budget: Option<String>,
    /// Runs at once.
    pub(crate) max_concurrent: Option<u32>,
}
