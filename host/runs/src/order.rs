use std::sync::Arc;

use futures::future::BoxFuture;
use http::HeaderValue;
use sophia_domain::{Digest, KeyId, PluginName, TenantId, Usd};
use sophia_sandbox::{Done, Outcome, RunPort, Task};

/// What the operator decides about runs. Read once at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunsConfig {
    /// The most that a run may cost where the caller says nothing.
    pub budget: Usd,
    /// The most that a caller may say.
    pub max_budget: Usd,
    /// Most runs at a time.
    pub max_concurrent: u32,
}

/// A run that somebody asks for. Its pattern is there and is one.
pub struct Order {
    /// Whose data and money it is.
    pub tenant: TenantId,
    /// The caller's key, under which money is spent.
    pub key: KeyId,
    /// The pattern.
    pub pattern: PluginName,
    /// The version of it that runs, whatever is live later.
    pub digest: Digest,
    /// JSON. Whoever received them has bounded their size.
    pub arguments: String,
    /// The most that it may cost; the operator's default where the caller says nothing.
    pub budget: Option<Usd>,
    /// What the caller names the request by: the same name starts one run.
    pub idempotency_key: Option<String>,
    /// Of everything that the request said, to tell a repetition from another one.
    pub request_digest: Digest,
    /// W3C `traceparent` of what it sends.
    pub traceparent: Option<HeaderValue>,
    /// Its place among the running calls and its version: kept until the run is closed.
    pub place: Box<dyn Send>,
}

/// Executes the pattern, once, with the run that takes down what it does. Dropping the future ends
/// the guest.
pub type Work = Box<dyn FnOnce(Arc<dyn RunPort>, Task) -> BoxFuture<'static, Done<Outcome>> + Send>;
