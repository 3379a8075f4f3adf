//! From an engine's error to a fault: the one place where the two meet.

use sophia_domain::{Fault, LimitKind};
use wasmtime::{Error, PoolConcurrencyLimitError, Trap};

use crate::guest::Guest;

/// Why the host ended a guest.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Stop {
    /// It used more than it may.
    #[error("the {} limit is used up", .0.as_str())]
    Limit(LimitKind),
    /// It broke the contract.
    #[error("{0}")]
    Contract(String),
    /// The node could not do its part.
    #[error("{0}")]
    Host(String),
}

/// How far a call had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the guest's first instruction, start functions aside.
    Instantiate,
    /// In the guest.
    Run,
}

/// What an error of a call means.
pub(crate) fn classify(error: &Error, stage: Stage, guest: &Guest) -> Fault {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Limit(kind) => Fault::Limit(*kind),
            Stop::Contract(text) => Fault::Contract(text.clone()),
            Stop::Host(text) => Fault::Host(text.clone()),
        };
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Fault::Busy;
    }
    if let Some(kind) = guest.limit_hit() {
        return Fault::Limit(kind);
    }
    match (error.downcast_ref::<Trap>(), stage) {
        (Some(Trap::StackOverflow), _) => Fault::Limit(LimitKind::Stack),
        (Some(trap), _) => Fault::Trap(trap.to_string()),
        (None, Stage::Run) if is_over_fuel(error) => Fault::Limit(LimitKind::Response),
        (None, Stage::Run) => Fault::Contract(format!("{error:#}")),
        (None, Stage::Instantiate) => Fault::Host(format!("{error:#}")),
    }
}

/// Whether a guest handed over more at once than the store lets through. The engine's type for it
/// is private, so its text is all there is to go by.
fn is_over_fuel(error: &Error) -> bool {
    format!("{error:#}").contains("fuel allocated for hostcalls")
}
