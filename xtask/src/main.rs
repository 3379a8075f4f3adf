//! Automation of this checkout: everything that people and CI run, as `cargo xtask NAME`.
//!
//! Each command says what it does and how long each step took. It stays small: it starts cargo,
//! the real `sophia` binary and a stand-in, and holds no logic of the host.

mod bench;
mod checkout;
mod ci;
mod command;
mod demo;
mod guests;
mod node;
mod process;
mod rootfs;
mod servers;
mod step;
mod test;
mod tidy;
mod tools;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use checkout::Checkout;

/// Automation of the Sophia checkout.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Examples:
  cargo xtask demo            see it work, from the build to a table of what happened
  cargo xtask test            everything that fits in 15 minutes
  cargo xtask ci              what CI runs: format, lints, licences, rooms, tests, rootfs
  cargo xtask bench call.fresh --json

CARGO_TARGET_DIR is respected. All builds use --release: one profile, one cache."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    /// Run the tests: everything that fits in 15 minutes
    #[command(after_help = test::EXAMPLES)]
    Test(test::Args),
    /// Run the same tests with large counts: a kill at every write, a thousand swaps
    #[command(after_help = test::SOAK_EXAMPLES)]
    Soak(test::Args),
    Ci(ci::Args),
    Guests(guests::Args),
    Bench(bench::Args),
    Tidy(tidy::Args),
    Rootfs(rootfs::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match Checkout::find().and_then(|checkout| run(&checkout, cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(checkout: &Checkout, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(checkout, &args),
        Command::Test(args) => test::run(checkout, &args, test::Counts::Small),
        Command::Soak(args) => test::run(checkout, &args, test::Counts::Large),
        Command::Ci(args) => ci::run(checkout, &args),
        Command::Guests(args) => guests::run(checkout, args),
        Command::Bench(args) => bench::run(checkout, &args),
        Command::Tidy(args) => tidy::run(checkout, &args),
        Command::Rootfs(args) => rootfs::run(checkout, &args),
    }
}
