//! The tests: of the host and end to end with nextest, of the guests' logic natively, of the docs,
//! of the worker.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{checkout::Checkout, command::Run as _, guests::Guests, servers, step::step, tools, worker};

pub(crate) const EXAMPLES: &str = "Examples:
  cargo xtask test                       all of them, in at most 15 minutes
  cargo xtask test kill_9                those of the host whose name has this in it
  cargo xtask test -- --no-capture -j1   the rest goes to `cargo nextest run`";
pub(crate) const SOAK_EXAMPLES: &str = "Examples:
  cargo xtask soak                       all of them; one that takes an hour is ended
  cargo xtask soak kill_9                only those whose name has this in it";

/// What people say to `cargo xtask test` and `cargo xtask soak`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Only tests of the host workspace whose names hold one of these; guests' and worker's own
    /// tests are left out then.
    filters: Vec<String>,
    /// Passed on to `cargo nextest run`.
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// How often the tests do what they repeat: kills, uploads, rounds of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Fits in 15 minutes.
    Small,
    /// The same code, as long as it takes.
    Large,
}

/// The workspace of guests whose logic also runs natively; the SDK is a member of it.
pub(crate) const NATIVE: &str = "plugins/Cargo.toml";

pub(crate) fn run(checkout: &Checkout, args: &Args, counts: Counts) -> Result<()> {
    build(checkout)?;
    if args.filters.is_empty() {
        natively(checkout)?;
        docs(checkout)?;
        worker::test(checkout)?;
    }
    nextest(checkout, args, counts)
}

/// What the end-to-end tests start and upload.
pub(crate) fn build(checkout: &Checkout) -> Result<()> {
    step("build the host", || {
        checkout.cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]).run()
    })?;
    step("build the guests", || Guests::new(checkout, Vec::new()).build_all())
}

/// The guests' pure logic, as ordinary tests of an ordinary crate.
pub(crate) fn natively(checkout: &Checkout) -> Result<()> {
    step("test plugins and SDK natively", || native(checkout, "test").run())
}

/// Examples in the docs compile and hold.
pub(crate) fn docs(checkout: &Checkout) -> Result<()> {
    step("test the examples in the docs", || {
        checkout.cargo().args(["test", "--release", "--locked", "--workspace", "--doc"]).run()
    })
}

/// The host workspace, with a real worker for the tests that ask models. Last, so that the summary
/// is the last thing to be read.
pub(crate) fn nextest(checkout: &Checkout, args: &Args, counts: Counts) -> Result<()> {
    let program = tools::NEXTEST.ensure(checkout)?;
    servers::ensure().context("the tests start a Postgres and a Redis of their own")?;
    let (worker, models) = worker::ready(checkout)?;
    let mut command = checkout.cargo_program(&program);
    command.args(["nextest", "run", "--release", "--locked", "--workspace"]);
    command.env("SOPHIA_BIN", checkout.sophia()).env("SOPHIA_WORKER_BIN", worker).env("SOPHIA_MODELS", models);
    if counts == Counts::Large {
        command.env("SOPHIA_SOAK", "1").args(["--profile", "soak"]);
    }
    step("test the host", || command.args(&args.nextest).args(&args.filters).run())
}

/// A cargo command on plugins and SDK for this machine's own target, apart from the host's lock.
pub(crate) fn native(checkout: &Checkout, command: &str) -> Command {
    let mut cargo = checkout.cargo();
    cargo.env("CARGO_TARGET_DIR", checkout.target.join("guests-native"));
    // Their profile is for small wasm files; natively it would only make the tests slow to build.
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    cargo.args([command, "--release", "--workspace", "--all-targets", "--manifest-path", NATIVE]);
    cargo
}
