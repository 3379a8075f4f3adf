//! What CI runs, in the order of cheapest first, and the tests last so that their summary is what
//! the output ends with. Stops at the first failure.

mod deny;

use anyhow::{Result, ensure};

use crate::{
    bench,
    checkout::Checkout,
    command::Run as _,
    guests::Guests,
    rootfs,
    step::{step, summary},
    test::{self, Counts},
    tidy, worker,
};

/// Run what CI runs: all steps, or those named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask ci                   all steps, as .ci/run does
  cargo xtask ci fmt clippy tidy   only these, in CI's order
  cargo xtask ci --list            the steps and what each does")]
pub(crate) struct Args {
    /// Only these steps.
    steps: Vec<String>,
    /// List the steps and run none.
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Checkout) -> Result<()>,
}

const STEPS: [Step; 12] = [
    Step { name: "fmt", what: "every Rust file is formatted", run: fmt },
    Step { name: "tidy", what: "the rooms, the headers, what is never checked in", run: tidy },
    Step { name: "deny", what: "licences, sources, bans and, where reachable, advisories", run: deny::run },
    Step { name: "clippy", what: "no warning in host, plugins, SDK and worker", run: clippy },
    Step { name: "docs", what: "the docs build without a warning, their examples hold", run: docs },
    Step { name: "build", what: "the release binary", run: build },
    Step { name: "guests", what: "plugins and test guests, in every language", run: guests },
    Step { name: "native", what: "the guests' own logic, natively", run: test::natively },
    Step { name: "worker", what: "the worker, on real weights", run: worker::test },
    Step {
        name: "rootfs",
        what: "the binary in the image's root, with the machine's memory: uploads and calls",
        run: in_rootfs,
    },
    Step { name: "bench", what: "every figure, one short run: that it works, not how fast", run: bench::quick },
    Step { name: "test", what: "every test of the host, end to end", run: nextest },
];

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<()> {
    for name in &args.steps {
        ensure!(STEPS.iter().any(|step| step.name == name), "CI has no step `{name}`: see `cargo xtask ci --list`");
    }
    let wanted = STEPS.iter().filter(|step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name));
    if args.list {
        wanted.for_each(|step| println!("{:<8} {}", step.name, step.what));
        return Ok(());
    }
    let mut took = Vec::new();
    for one in wanted {
        // Before the tests rather than after them: nextest's summary ends the output.
        if one.name == "test" {
            eprintln!("{}", summary(&took));
        }
        let start = std::time::Instant::now();
        step(&format!("{}: {}", one.name, one.what), || (one.run)(checkout))?;
        took.push((one.name, start.elapsed()));
    }
    if !took.iter().any(|(name, _)| *name == "test") {
        eprintln!("{}", summary(&took));
    }
    Ok(())
}

fn fmt(checkout: &Checkout) -> Result<()> {
    checkout.cargo().args(["fmt", "--all", "--check"]).run()?;
    checkout.cargo().args(["fmt", "--check", "--manifest-path", worker::MANIFEST]).run()?;
    checkout.guest_manifests()?.iter().try_for_each(|manifest| {
        checkout.cargo().args(["fmt", "--all", "--check", "--manifest-path"]).arg(manifest).run()
    })
}

fn tidy(checkout: &Checkout) -> Result<()> {
    tidy::run(checkout, &tidy::Args::default())
}

fn clippy(checkout: &Checkout) -> Result<()> {
    const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];
    let args = ["clippy", "--release", "--locked", "--workspace", "--all-targets"];
    checkout.cargo().args(args).args(DENY_WARNINGS).run()?;
    test::native(checkout, "clippy").args(DENY_WARNINGS).run()?;
    worker::cargo(checkout, "clippy").args(DENY_WARNINGS).run()
}

fn docs(checkout: &Checkout) -> Result<()> {
    let args = ["doc", "--release", "--locked", "--workspace", "--no-deps", "--document-private-items"];
    checkout.cargo().env("RUSTDOCFLAGS", "-D warnings").args(args).run()?;
    test::docs(checkout)
}

fn build(checkout: &Checkout) -> Result<()> {
    checkout.cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]).run()
}

fn guests(checkout: &Checkout) -> Result<()> {
    Guests::new(checkout, Vec::new()).build_all()
}

fn in_rootfs(checkout: &Checkout) -> Result<()> {
    rootfs::try_out(checkout)
}

fn nextest(checkout: &Checkout) -> Result<()> {
    test::nextest(checkout, &test::Args::default(), Counts::Small)
}
