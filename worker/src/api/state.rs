use std::{sync::Arc, time::SystemTime};

use super::error::ApiError;
use crate::{
    drain::{Drain, Owed},
    engine::Engine,
    metrics::Metrics,
};

/// What every handler reaches. Built once at start.
pub(crate) struct App {
    /// The models.
    pub(crate) engine: Arc<Engine>,
    /// Whether the worker is stopping.
    pub(crate) drain: Drain,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// When it started, in seconds since 1970: the models' `created`.
    pub(crate) started: u64,
}

impl App {
    /// With models that are loaded.
    pub(crate) fn new(engine: Arc<Engine>, metrics: Arc<Metrics>) -> Self {
        Self { engine, drain: Drain::default(), metrics, started: now() }
    }

    /// Takes a request on. The answer is owed for as long as what is returned lives.
    pub(super) fn admit(&self) -> Result<Owed, ApiError> {
        self.drain.admit().ok_or_else(ApiError::draining)
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// Work that takes milliseconds, off the threads that serve connections.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal(&error))
}
