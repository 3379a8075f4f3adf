//! The embedding model: from texts to vectors.
//!
//! [`EmbeddingModel`] is loaded once and only read. One thread works through the queue, and puts
//! inputs of several requests into one batch where they wait together ([`serve_queue`]).

mod batch;
mod job;
mod model;

pub(crate) use job::{EmbedError, EmbeddingJob, serve_queue};
pub(crate) use model::{EmbeddingModel, LoadError};
