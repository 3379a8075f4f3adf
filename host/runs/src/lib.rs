//! Runs of patterns: each one's record, journal and timeline, and the agents that it is given.
//!
//! [`Runs::start`] writes the run down, gives it a budget of its own, and lets it go on by itself.
//! Whatever its pattern asks for comes to its `Recorder`, which is the sandbox's `RunPort`: an
//! intent is durable before anything is done, an answer before the guest is told, and what people
//! see of either is written with it. One task writes for all runs, many steps in one transaction.
//!
//! A run that was not ended by the process that began it is closed as interrupted at the next
//! start. Nothing is replayed here yet; what is written suffices for it.

mod agent;
mod closing;
mod conduct;
mod elsewhere;
mod error;
mod interrupted;
mod order;
mod recorder;
mod runs;
mod timeline;
mod writer;

pub use error::{CancelError, RunsError, StartError};
pub use order::{Order, RunsConfig, Work};
pub use runs::{Parts, Runs, Started};
pub use sophia_store::runs::{
    EventRow, NewRun, RoleTotal, RunEnd, RunFilter, RunRef, RunRow, RunSpent, RunStatus, StepRow, StepUsage,
    TimelineTotals,
};

#[cfg(test)]
mod tests;
