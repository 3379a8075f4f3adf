use std::sync::Arc;

use sophia_domain::{RunId, Usd};
use sophia_ledger::LedgerError;
use sophia_store::{StoreError, runs::RunStatus};

/// Why no run was started. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The arguments are not JSON.
    #[error("the arguments are no JSON: {0}")]
    Arguments(String),
    /// A run that may spend nothing.
    #[error("the budget is nothing: give the run at least $0.000001")]
    NoBudget,
    /// More than the operator allows.
    #[error("the budget is {budget}, and a run may have at most {most}")]
    TooDear {
        /// What was asked for.
        budget: Usd,
        /// What is allowed.
        most: Usd,
    },
    /// The name stands for another request.
    #[error("the idempotency key is that of another request, which started run `{run}`")]
    Reused {
        /// What that request started.
        run: RunId,
    },
    /// As many run as may.
    #[error("{0} runs are under way, which is as many as may be")]
    Busy(u32),
    /// The node stops.
    #[error("the node is stopping")]
    Closed,
    /// The run cannot be written down.
    #[error("the run cannot be written")]
    Store(#[source] StoreError),
    /// Its budget cannot be set. The run is closed as failed.
    #[error("the run's budget cannot be set")]
    Ledger(#[source] LedgerError),
}

/// Why a run was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is none of this id.
    #[error("there is no such run")]
    Unknown,
    /// It has ended by itself.
    #[error("the run has {} already", .0.as_str())]
    Ended(RunStatus),
    /// Its record cannot be read, or its end was not written.
    #[error("the run's record cannot be read or written")]
    Store(#[source] StoreError),
}

/// Why the room cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// The store failed.
    #[error("the runs cannot be read or written")]
    Store(#[from] StoreError),
    /// The ledger failed.
    #[error("the charges of runs cannot be read")]
    Ledger(#[from] LedgerError),
}

/// What was to be written is not.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum WriteError {
    /// The disk or the database failed.
    #[error("the store failed")]
    Store(#[source] Arc<StoreError>),
    /// The writer is gone.
    #[error("the journal is closed")]
    Closed,
}
