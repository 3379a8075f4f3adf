//! What runs in the compiling child: limits on itself first, then the compiler, then out.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;

use super::EXIT_INVALID;
use crate::{
    Effort, EngineKind,
    engine::{Purpose, engine_config},
};

/// Address space. An 18 MB Python component takes 345 MB to compile.
const MAX_ADDRESS_SPACE: u64 = 4 << 30;
/// CPU seconds of all threads.
const MAX_CPU_SECONDS: u64 = 240;
const MAX_OPEN_FILES: u64 = 64;

/// Reads a component from standard input and writes its code to standard output.
///
/// `args` are those after `compile-child`: the words of engine and effort, and `inspected` in the
/// memory proof. Exits with 10 where the component is invalid, its reason on standard error.
pub fn compile_child(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some(order) = Order::parse(&words) else {
        return failed(2, "usage: compile-child plain|concurrent quick|full|idle [inspected]");
    };
    if let Err(error) = limit_self(order.effort) {
        return failed(1, &format!("limits could not be set: {error}"));
    }
    match compile(&order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Invalid(error)) => failed(EXIT_INVALID, &format!("{error:#}")),
        Err(Failed::Io(error)) => failed(1, &error.to_string()),
    }
}

/// What the child was started for.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    kind: EngineKind,
    effort: Effort,
    is_inspected: bool,
}

enum Failed {
    Invalid(wasmtime::Error),
    Io(io::Error),
}

impl Order {
    fn parse(words: &[&str]) -> Option<Self> {
        let (kind, effort, is_inspected) = match words {
            [kind, effort] => (kind, effort, false),
            [kind, effort, "inspected"] => (kind, effort, true),
            _ => return None,
        };
        Some(Self { kind: EngineKind::parse(kind)?, effort: Effort::parse(effort)?, is_inspected })
    }
}

fn compile(order: &Order) -> Result<(), Failed> {
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm).map_err(Failed::Io)?;
    let purpose = Purpose::Compile { effort: order.effort, is_inspected: order.is_inspected };
    let engine = Engine::new(&engine_config(order.kind, &purpose)).map_err(Failed::Invalid)?;
    let code = engine.precompile_component(&wasm).map_err(Failed::Invalid)?;
    let mut out = io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(Failed::Io)
}

/// Limits that hold for this process from here on, and a low priority, so that a compilation takes
/// what calls leave.
fn limit_self(effort: Effort) -> io::Result<()> {
    for (resource, limit) in [
        (Resource::As, MAX_ADDRESS_SPACE),
        (Resource::Cpu, MAX_CPU_SECONDS),
        (Resource::Nofile, MAX_OPEN_FILES),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    rustix::process::setpriority_process(None, effort.niceness())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_is_started_with_and_nothing_else() {
        for kind in [EngineKind::Plain, EngineKind::Concurrent] {
            for effort in Effort::ALL {
                let words = [kind.as_str(), effort.as_str()];
                assert_eq!(Order::parse(&words), Some(Order { kind, effort, is_inspected: false }));
                let inspected = [words[0], words[1], "inspected"];
                assert_eq!(Order::parse(&inspected), Some(Order { kind, effort, is_inspected: true }));
            }
        }
        for wrong in [&[][..], &["plain"], &["quick", "plain"], &["plain", "quick", "x"], &["plain", "fast"]] {
            assert_eq!(Order::parse(wrong), None, "{wrong:?}");
        }
    }
}
