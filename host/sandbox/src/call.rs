//! A call: on whose behalf, with which rights, under which limits, through which ports; and
//! what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;
use sophia_domain::{ConnectionName, Fault, KeyId, Limits, PluginName, RequestId, SecretName, TenantId};
use sophia_egress::{Egress, Rights};
use sophia_models::Models;
use sophia_vault::{Algorithm, Vault};

use crate::{PluginError, RunPort};

/// Everything that a guest may reach in one call. Made for each call from parts that are shared.
pub struct Call {
    /// Whose data and money it is.
    pub tenant: TenantId,
    /// The caller's key, under which money is spent.
    pub key: KeyId,
    /// The plugin that is called.
    pub plugin: PluginName,
    /// The account it is called for, where it is a connector.
    pub connection: Option<ConnectionName>,
    /// The request that this call answers.
    pub request_id: RequestId,
    /// W3C `traceparent` that goes out with every request of the guest.
    pub traceparent: Option<HeaderValue>,
    /// What it may use.
    pub limits: Limits,
    /// Where it may send requests, and with which credentials.
    pub rights: Arc<Rights>,
    /// Settings that it may read.
    pub config: Arc<BTreeMap<String, String>>,
    /// Secrets that it may use without reading.
    pub secrets: Arc<SecretNames>,
    /// Classes of models that it may use.
    pub classes: Arc<BTreeSet<String>>,
    /// The run that it executes, where it is a pattern's.
    pub run: Option<Arc<dyn RunPort>>,
}

/// Which secrets stand behind the manifest's names. One per connection.
#[derive(Debug, Clone, Default)]
pub struct SecretNames {
    /// Manifest name → the operator's secret.
    pub bound: BTreeMap<String, SecretName>,
    /// Manifest names that may verify signatures, and how.
    pub verify: Vec<(String, Algorithm)>,
}

/// The rooms behind the capabilities. Built once at boot; cheap to clone.
#[derive(Clone)]
pub struct Ports {
    /// The only way out.
    pub egress: Egress,
    /// Where secrets rest.
    pub vault: Vault,
    /// The way to every model.
    pub models: Models,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
}

/// Takes what guests log. Must not block.
pub trait LogSink: Send + Sync {
    /// Takes a line.
    fn line(&self, line: LogLine);
}

/// A line that a guest wrote. Already within the call's volume.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// Whose plugin.
    pub tenant: TenantId,
    /// Which plugin.
    pub plugin: PluginName,
    /// In which request.
    pub request_id: RequestId,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
    /// When the host took it.
    pub at: std::time::SystemTime,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// What happened.
    Info,
    /// Odd, and handled.
    Warn,
    /// Somebody must look.
    Error,
}

/// How a call ended: a fault, or what the guest answered, which may be an error of its own.
#[derive(Debug)]
pub struct Done<T> {
    /// The fault, or the guest's answer.
    pub outcome: Result<Result<T, PluginError>, Fault>,
    /// What it used.
    pub spent: Spent,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time the guest computed.
    pub cpu: Duration,
    /// Time in all.
    pub wall: Duration,
    /// Host calls.
    pub host_calls: u32,
    /// Bytes of memories and tables at the end; they never shrink.
    pub memory: u64,
}
