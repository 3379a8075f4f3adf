//! The chat model: from messages to text.
//!
//! [`ChatModel`] is loaded once and only read; each request computes in a [`Session`] of its own,
//! which shares the weights. [`generate`] is the life of a request on its thread.

mod generate;
mod model;
mod sampler;
mod schema;
mod template;
mod text;
mod tokenizer;

pub(crate) use generate::{ChatJob, Event, Finish, GenerateError, Outcome, Sampling, generate};
pub(crate) use model::{ChatModel, LoadError};
pub(crate) use sampler::Penalties;
pub(crate) use schema::{Constraint, SchemaError};
pub(crate) use template::{Message, Role};
