//! The listener, its connections, and the life of a request on them.
//!
//! In the order in which a request meets them: [`listener`] accepts within bounds,
//! [`connection`] speaks HTTP and ends what is idle, [`service`] answers, [`exchange`] keeps the
//! account of one request until its last byte is gone.

pub(crate) mod body;
pub(crate) mod caller_body;
pub(crate) mod connection;
pub(crate) mod exchange;
mod host;
pub(crate) mod listener;
pub(crate) mod model_stream;
pub(crate) mod openai;
pub(crate) mod problem;
pub(crate) mod service;
pub(crate) mod trace;
