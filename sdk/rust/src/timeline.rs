//! What people see of a run.

use std::fmt;

use serde::Serialize;

use crate::{Error, Json, bindings::pattern::sophia::plugin::timeline};

/// What an event tells of. The host itself tells of the run and of each agent: the events that
/// [`is_of_host`](Self::is_of_host) names are not for a pattern to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The run began.
    SwarmStart,
    /// The run ended.
    SwarmEnd,
    /// An agent began.
    AgentStart,
    /// An agent ended.
    AgentEnd,
    /// An agent said something.
    AgentMessage,
    /// A debate began.
    DebateStart,
    /// Somebody spoke in a debate.
    DebateTurn,
    /// A debate ended.
    DebateEnd,
    /// Something is about to be held against a rule.
    GateCheck,
    /// What the rule said.
    GateResult,
    /// The run resembles others.
    PatternDetected,
    /// Memory was read.
    MemoryAccess,
    /// Memory was written.
    MemoryStore,
    /// Money was spent.
    CostUpdate,
    /// Something failed.
    Error,
    /// A step that people wait for is done.
    Milestone,
}

/// Adds an event. The host stamps time, plugin and run. Not repeated in a replay.
pub fn emit<T: Serialize + ?Sized>(kind: Kind, data: &T) -> Result<(), Error> {
    timeline::emit(kind.as_str(), Json::of(data)?.as_str())
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::SwarmStart,
        Self::SwarmEnd,
        Self::AgentStart,
        Self::AgentEnd,
        Self::AgentMessage,
        Self::DebateStart,
        Self::DebateTurn,
        Self::DebateEnd,
        Self::GateCheck,
        Self::GateResult,
        Self::PatternDetected,
        Self::MemoryAccess,
        Self::MemoryStore,
        Self::CostUpdate,
        Self::Error,
        Self::Milestone,
    ];

    /// The name in the timeline.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SwarmStart => "swarm_start",
            Self::SwarmEnd => "swarm_end",
            Self::AgentStart => "agent_start",
            Self::AgentEnd => "agent_end",
            Self::AgentMessage => "agent_message",
            Self::DebateStart => "debate_start",
            Self::DebateTurn => "debate_turn",
            Self::DebateEnd => "debate_end",
            Self::GateCheck => "gate_check",
            Self::GateResult => "gate_result",
            Self::PatternDetected => "pattern_detected",
            Self::MemoryAccess => "memory_access",
            Self::MemoryStore => "memory_store",
            Self::CostUpdate => "cost_update",
            Self::Error => "error",
            Self::Milestone => "milestone",
        }
    }

    /// Whether the host tells of it by itself, from the run's journal.
    pub const fn is_of_host(self) -> bool {
        matches!(
            self,
            Self::SwarmStart
                | Self::SwarmEnd
                | Self::AgentStart
                | Self::AgentEnd
                | Self::MemoryAccess
                | Self::MemoryStore
                | Self::CostUpdate
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert_eq!(Kind::GateCheck.to_string(), "gate_check");
    }
}
