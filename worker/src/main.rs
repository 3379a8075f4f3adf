//! `sophia-worker`: a small real chat model and a real embedding model on the CPU, behind an
//! OpenAI-compatible API. The embedded default of people without a GPU.
//!
//! The way in: [`cli`] reads what was typed, [`serve`] composes and drains, [`api`] speaks HTTP,
//! [`engine`] owns the queues and the threads that compute, [`chat`] and [`embedding`] are the two
//! models, [`weights`] knows which files they are made of and [`pull`] fetches those.
//!
//! No request is answered without a model having computed the answer.

mod api;
mod chat;
mod cli;
mod drain;
mod embedding;
mod engine;
mod metrics;
mod process;
mod pull;
mod queue;
mod serve;
mod weights;

use std::process::ExitCode;

fn main() -> ExitCode {
    process::prepare();
    cli::main()
}
