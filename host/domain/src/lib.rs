//! The words every room shares: names, digests, sizes, money, limits, faults, problems, URL scopes.
//!
//! Plain types without I/O. Nothing here knows a database, a socket or wasmtime.

mod blame;
mod chain;
mod digest;
mod environment;
mod fault;
mod hop_by_hop;
mod id;
mod limits;
mod name;
mod problem;
mod quota;
mod rate;
mod request_id;
mod scope;
mod size;
mod step;
mod usd;
mod world;

pub use blame::Blame;
pub use chain::Chain;
pub use digest::{Digest, DigestError};
pub use environment::{Environment, NoEnvironment};
pub use fault::{Fault, LimitKind};
pub use hop_by_hop::{HOP_BY_HOP, strip_hop_by_hop};
pub use id::{KeyId, NodeId, RunId};
pub use limits::{LimitAsks, Limits};
pub use name::{ConnectionName, NameError, PluginName, SecretName, TenantId};
pub use problem::{Problem, ProblemDocument};
pub use quota::{OnLoss, Quota, QuotaError, QuotaKind, QuotaReached, RouteClass};
pub use rate::{Rate, RateError};
pub use request_id::RequestId;
pub use scope::{RequestPattern, Scope, ScopeError};
pub use size::{ByteSize, Span, UnitError};
pub use step::Step;
pub use usd::{Price, Prices, Tokens, Usd, UsdError};
pub use world::{HttpVersion, World};
