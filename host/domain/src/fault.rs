use serde::{Deserialize, Serialize};

use crate::Blame;

/// A limit that a call hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Linear memories and tables.
    Memory,
    /// Computing time.
    Cpu,
    /// Time in all.
    Wall,
    /// The guest's stack.
    Stack,
    /// Bytes that came in.
    Request,
    /// Bytes that went out.
    Response,
    /// Number of host calls.
    HostCalls,
    /// Handles and other host-side objects.
    Handles,
}

/// How a call failed. The text of a variant is for the log; the caller sees the kind and the blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The guest trapped: a panic, an unreachable, a division by zero.
    #[error("the plugin trapped: {0}")]
    Trap(String),
    /// The guest used more than it may.
    #[error("the plugin used up its {} limit", .0.as_str())]
    Limit(LimitKind),
    /// The guest's answer breaks the contract: too large, not JSON, no response.
    #[error("the plugin broke the contract: {0}")]
    Contract(String),
    /// No instance could be had now.
    #[error("the node is too busy")]
    Busy,
    /// The caller went away.
    #[error("the caller went away")]
    Cancelled,
    /// The node failed.
    #[error("the node failed: {0}")]
    Host(String),
}

impl LimitKind {
    /// The word used in problem documents and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Stack => "stack",
            Self::Request => "request",
            Self::Response => "response",
            Self::HostCalls => "host_calls",
            Self::Handles => "handles",
        }
    }
}

impl Fault {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Trap(_) | Self::Contract(_) | Self::Limit(_) => Blame::Plugin,
            Self::Busy | Self::Host(_) => Blame::Host,
            Self::Cancelled => Blame::Caller,
        }
    }

    /// The word used in problem documents and metric labels, such as `limit-memory`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Limit(LimitKind::Memory) => "limit-memory",
            Self::Limit(LimitKind::Cpu) => "limit-cpu",
            Self::Limit(LimitKind::Wall) => "limit-wall",
            Self::Limit(LimitKind::Stack) => "limit-stack",
            Self::Limit(LimitKind::Request) => "limit-request",
            Self::Limit(LimitKind::Response) => "limit-response",
            Self::Limit(LimitKind::HostCalls) => "limit-host-calls",
            Self::Limit(LimitKind::Handles) => "limit-handles",
            Self::Contract(_) => "contract",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Host(_) => "host",
        }
    }
}
