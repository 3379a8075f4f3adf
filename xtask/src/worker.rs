//! The worker: a workspace of its own, with its own lock file and its own build outputs.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{checkout::Checkout, command::Run as _, guests::apt, step::step};

/// Its manifest, from the root of the checkout.
pub(crate) const MANIFEST: &str = "worker/Cargo.toml";

/// Its tests, on real weights: the first run fetches some 180 MB of them.
pub(crate) fn test(checkout: &Checkout) -> Result<()> {
    step("test the worker on real weights", || {
        ensure_pip()?;
        cargo(checkout, "test").run()
    })
}

/// Its binary, built, and the folder of its weights, fetched: what end-to-end tests start.
pub(crate) fn ready(checkout: &Checkout) -> Result<(PathBuf, PathBuf)> {
    let folder = checkout.target.join("worker");
    let (binary, models) = (folder.join("release/sophia-worker"), folder.join("models"));
    step("build the worker and fetch its weights", || {
        ensure_pip()?;
        cargo(checkout, "build").run()?;
        Command::new(&binary).arg("pull").arg("--models").arg(&models).run()
    })?;
    Ok((binary, models))
}

/// A cargo command on the worker, apart from the host's build outputs.
pub(crate) fn cargo(checkout: &Checkout, command: &str) -> Command {
    let mut cargo = checkout.cargo();
    cargo.env("CARGO_TARGET_DIR", checkout.target.join("worker"));
    cargo.args([command, "--release", "--locked", "--all-targets", "--manifest-path", MANIFEST]);
    cargo
}

/// What fetches the weights, and makes the environment of the Python client that is tested with.
fn ensure_pip() -> Result<()> {
    let has_pip = Command::new("python3").args(["-c", "import ensurepip, pip, venv"]).run_quietly().is_ok();
    if has_pip {
        return Ok(());
    }
    apt::install(&["python3", "python3-pip", "python3-venv"]).context("no Python 3 with pip and venv is here")
}
