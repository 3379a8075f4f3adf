//! `sophia`: the node and its command line in one binary.
//!
//! This crate composes; it decides nothing. Entry points: [`serve`] starts a node,
//! [`http::service`] reads as the life of a request, [`data`] holds the routes that call
//! plugins, [`control`] those that manage them, [`cli`] the clients of both.

mod access;
mod admission;
mod cli;
mod config;
mod control;
mod data;
mod drain;
mod http;
mod json;
mod limited;
mod lines;
mod logs;
mod machine;
mod metrics;
mod node;
mod policy_routing;
mod process;
mod serve;
mod share;
mod telemetry;
mod timestamp;
mod unauthorised;

use std::process::ExitCode;

/// The argument by which the sandbox starts this binary again, to compile. Never typed by a person.
const COMPILE_CHILD: &str = "compile-child";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if let [first, rest @ ..] = args.as_slice()
        && first == COMPILE_CHILD
    {
        return sophia_sandbox::compile_child(rest);
    }
    process::prepare();
    cli::main()
}
