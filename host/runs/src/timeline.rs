//! Events: which kinds there are, who may add them, and how much of a text they show.

use sophia_sandbox::PluginError;

/// The run began.
pub(crate) const SWARM_START: &str = "swarm_start";
/// The run ended.
pub(crate) const SWARM_END: &str = "swarm_end";
/// An agent began.
pub(crate) const AGENT_START: &str = "agent_start";
/// An agent ended.
pub(crate) const AGENT_END: &str = "agent_end";
/// A model answered an agent.
pub(crate) const AGENT_MESSAGE: &str = "agent_message";
/// Money was spent.
pub(crate) const COST_UPDATE: &str = "cost_update";
/// Something failed.
pub(crate) const ERROR: &str = "error";

/// What a pattern may add: what the host cannot see by itself.
const GUESTS: [&str; 9] = [
    AGENT_MESSAGE,
    "debate_start",
    "debate_turn",
    "debate_end",
    "gate_check",
    "gate_result",
    "pattern_detected",
    ERROR,
    "milestone",
];

/// What only the host adds: it knows of them, and a pattern could be wrong.
const HOSTS: [&str; 7] = [SWARM_START, SWARM_END, AGENT_START, AGENT_END, "memory_access", "memory_store", COST_UPDATE];

/// Characters of a text that an event shows.
const MAX_PREVIEW: usize = 200;

/// Characters of a role.
const MAX_ROLE: usize = 64;

/// Most bytes of what a pattern adds to an event.
const MAX_DATA: usize = 16 << 10;

/// The beginning of a text, on one line.
pub(crate) fn preview(text: &str) -> String {
    shortened(text, MAX_PREVIEW)
}

/// A role as it is shown.
pub(crate) fn role(text: &str) -> String {
    shortened(text, MAX_ROLE)
}

fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether a pattern may add such an event.
pub(crate) fn check(kind: &str, data: &str) -> Result<(), PluginError> {
    if HOSTS.contains(&kind) {
        return Err(PluginError::Invalid(format!("`{kind}` is the host's to add: it does so by itself")));
    }
    if !GUESTS.contains(&kind) {
        let known = GUESTS.join(", ");
        return Err(PluginError::Invalid(format!("`{}` is no kind of event; there are {known}", role(kind))));
    }
    if data.len() > MAX_DATA {
        return Err(PluginError::Invalid(format!("an event has at most {MAX_DATA} bytes, not {}", data.len())));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(data)
        .map(drop)
        .map_err(|wrong| PluginError::Invalid(format!("an event's data is JSON: {wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_somebodys() {
        assert_eq!(GUESTS.len() + HOSTS.len(), 16);
        assert!(GUESTS.iter().all(|kind| check(kind, "{}").is_ok()));
        assert!(HOSTS.iter().all(|kind| matches!(check(kind, "{}"), Err(PluginError::Invalid(_)))));
        assert!(check("party", "{}").is_err());
    }

    #[test]
    fn data_is_json_and_bounded() {
        assert!(check("milestone", "{").is_err());
        assert!(check("milestone", &format!("\"{}\"", "a".repeat(MAX_DATA))).is_err());
        assert_eq!(preview(&"ä\n".repeat(300)).chars().count(), MAX_PREVIEW);
        assert!(!preview("a\nb").contains('\n'));
    }
}
