//! What runs in the compiling child: limits on itself first, then the compiler, then out.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;

use super::EXIT_INVALID;
use crate::{
    EngineKind,
    engine::{Purpose, engine_config},
};

/// Address space. An 18 MB Python component takes 345 MB to compile.
const MAX_ADDRESS_SPACE: u64 = 4 << 30;
/// CPU seconds of all threads.
const MAX_CPU_SECONDS: u64 = 240;
const MAX_OPEN_FILES: u64 = 64;

/// Reads a component from standard input and writes its code to standard output.
///
/// `args` are those after `compile-child`: the engine's word, and `inspected` in the memory
/// proof. Exits with 10 where the component is invalid, its reason on standard error.
pub fn compile_child(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (kind, is_inspected) = match words.as_slice() {
        [kind] => (EngineKind::parse(kind), false),
        [kind, "inspected"] => (EngineKind::parse(kind), true),
        _ => (None, false),
    };
    let Some(kind) = kind else { return failed(2, "usage: compile-child plain|concurrent [inspected]") };
    if let Err(error) = limit_self() {
        return failed(1, &format!("limits could not be set: {error}"));
    }
    match compile(kind, is_inspected) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Invalid(error)) => failed(EXIT_INVALID, &format!("{error:#}")),
        Err(Failed::Io(error)) => failed(1, &error.to_string()),
    }
}

enum Failed {
    Invalid(wasmtime::Error),
    Io(io::Error),
}

fn compile(kind: EngineKind, is_inspected: bool) -> Result<(), Failed> {
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm).map_err(Failed::Io)?;
    let engine = Engine::new(&engine_config(kind, &Purpose::Compile { is_inspected })).map_err(Failed::Invalid)?;
    let code = engine.precompile_component(&wasm).map_err(Failed::Invalid)?;
    let mut out = io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(Failed::Io)
}

/// Limits that hold for this process from here on, and idle priority, so that a compilation
/// takes what calls leave.
fn limit_self() -> io::Result<()> {
    for (resource, limit) in [
        (Resource::As, MAX_ADDRESS_SPACE),
        (Resource::Cpu, MAX_CPU_SECONDS),
        (Resource::Nofile, MAX_OPEN_FILES),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    rustix::process::setpriority_process(None, 10)?;
    // Dies with the node, even when the node is killed.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

fn failed(code: u8, reason: &str) -> ExitCode {
    let mut err = io::stderr().lock();
    // Nobody is left to tell where this fails too.
    drop(writeln!(err, "{reason}"));
    ExitCode::from(code)
}
