use std::time::Instant;

use crate::{ModelError, UpstreamError, fleet::Served, pulse::InFlight, upstream_error::Failure};

/// A candidate that was tried and did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The candidate: `upstream/model`.
    pub candidate: String,
    /// How it failed.
    pub error: UpstreamError,
}

/// The candidates that were tried in vain for one request, in order.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: Vec<Attempt>,
    last: Option<ModelError>,
}

impl Attempts {
    /// Notes a failure; an error where no other candidate would do better. A prompt that is too
    /// long for one may fit into another, and what is too dear at one may be allowed at another.
    pub(crate) fn note(&mut self, served: &Served, failure: Failure) -> Result<(), ModelError> {
        let error = match failure {
            Failure::Final(error @ (ModelError::ContextLength { .. } | ModelError::Capped { .. })) => {
                self.last = Some(error);
                return Ok(());
            }
            Failure::Final(error) => return Err(error),
            Failure::Upstream(error) => error,
        };
        tracing::warn!(candidate = served.id, %error, "a model call failed before its first byte");
        self.last = Some(ModelError::from_upstream(&served.upstream.name, &error));
        self.failed.push(Attempt { candidate: served.id.clone(), error });
        Ok(())
    }

    /// Nobody is left to try: what the last one said.
    pub(crate) fn give_up(self) -> ModelError {
        self.last.unwrap_or(ModelError::Down)
    }

    pub(crate) fn into_failed(self) -> Vec<Attempt> {
        self.failed
    }
}

impl Failure {
    /// What it says about the health of the upstream. One that refuses a request is well.
    pub(crate) fn tell(&self, call: &InFlight) {
        match self {
            Self::Final(_) => call.answered(),
            Self::Upstream(UpstreamError::Limited { retry_after }) => call.limited(Instant::now(), *retry_after),
            Self::Upstream(_) => call.failed(Instant::now()),
        }
    }
}
