//! End to end: the shipped binary, real sockets, real components.
//!
//! Each test has its own node on a free port with its own data. What a vendor would do is done by
//! the stand-ins of `sophia-standins`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod bad_input;
mod budgets;
mod contract;
mod crash;
mod doors;
mod drain;
mod endpoint;
mod grants;
mod hubspot;
mod kept;
mod keys;
mod kill_at;
mod limits;
mod memory_proof;
mod model_faults;
mod model_policy;
mod models;
mod nodes;
mod openai;
mod ordinary_crates;
mod policy;
mod rates;
mod refusals;
mod run_cli;
mod run_ends;
mod runs;
mod secrets;
mod swap;
mod telemetry;
mod upload;
mod upstream;
mod webhook;
mod worker_lookup;
