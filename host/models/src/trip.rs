use std::time::Duration;

use crate::ModelError;

/// Where the time of a request went that was not this node's own. One per request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trip {
    /// What the policy took to decide; none where no policy does.
    pub policy: Option<Duration>,
    /// What the upstreams took, counting prompts and failing included: until the first event of a
    /// stream, or the whole answer.
    pub waited: Duration,
}

/// A request that was not answered, and where its time went.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Unanswered {
    /// Why.
    pub error: ModelError,
    /// Until it was given up.
    pub trip: Trip,
}

impl From<Unanswered> for ModelError {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.error
    }
}
