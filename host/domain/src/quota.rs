//! What a tenant or a key may use of a node: requests, calls at once, tokens, money.

mod reached;
mod text;

use serde::{Deserialize, Serialize};

use crate::Span;

pub use reached::QuotaReached;
pub use text::QuotaError;

/// One limit on what a tenant or a key may use: `requests=60/1m`, `models.concurrent=10`,
/// `tokens=100000/1h`, `cost=$5.000000/1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quota {
    /// The routes that it counts; all of them where none is said. Only of requests and calls.
    pub class: Option<RouteClass>,
    /// What it counts.
    pub kind: QuotaKind,
    /// How many, in the kind's unit.
    pub amount: u64,
    /// In how long; none for calls at once.
    pub per: Option<Span>,
    /// What happens while what all nodes share cannot be reached.
    pub on_loss: OnLoss,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaKind {
    /// Requests, when they begin.
    Requests,
    /// Calls that are under way.
    Concurrent,
    /// Tokens of model calls, of prompt and answer together.
    Tokens,
    /// What model calls cost, in micro-dollars.
    Cost,
}

/// Routes that are counted together. Never a raw path, which a caller could vary without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteClass {
    /// Endpoints, and questions to policies.
    Plugins,
    /// Checks, reads, actions and webhooks of connections.
    Connectors,
    /// Runs of patterns that are started.
    Runs,
    /// Chats, embeddings and the list of models.
    Models,
    /// Everything else that needs a key.
    Control,
}

/// What a quota does while what all nodes share cannot be reached. On a node alone nothing can be
/// lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLoss {
    /// Each node counts by itself, so that as many times the quota may be used as there are nodes.
    Open,
    /// What would be counted is refused.
    Closed,
}

impl QuotaKind {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Requests, Self::Concurrent, Self::Tokens, Self::Cost];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Concurrent => "concurrent",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
        }
    }

    /// What holds where nobody said: requests go on, money stops.
    pub fn on_loss(self) -> OnLoss {
        match self {
            Self::Requests | Self::Concurrent => OnLoss::Open,
            Self::Tokens | Self::Cost => OnLoss::Closed,
        }
    }
}

impl RouteClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plugins, Self::Connectors, Self::Runs, Self::Models, Self::Control];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plugins => "plugins",
            Self::Connectors => "connectors",
            Self::Runs => "runs",
            Self::Models => "models",
            Self::Control => "control",
        }
    }
}

impl Quota {
    /// Most quotas of one tenant or one key: each is looked at in each request.
    pub const MAX_OF_SCOPE: usize = 16;

    /// Whether both count the same: then one takes the other's place, and keeps what was used.
    pub fn counts_as(&self, other: &Self) -> bool {
        (self.class, self.kind, self.per) == (other.class, other.kind, other.per)
    }
}
