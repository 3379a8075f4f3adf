use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{Guest, Guests, Target};
use crate::command::Run as _;

/// Every folder under these that has a `plugin.toml` and a `Cargo.toml` is a Rust guest.
const ROOTS: [&str; 2] = ["plugins", "tests/guests/rust"];

/// What each of them is made with, beside its own folder: the contract, the SDK, the code that
/// packages. Not the whole host: a change in a route must not rebuild every guest.
const SHARED: [&str; 3] = ["wit", "sdk/rust", "host/sophia/src/cli/plugin"];

/// Builds each with `sophia plugin build`, as its author would.
pub(crate) fn build(guests: &Guests) -> Result<()> {
    let mut folders = Vec::new();
    for root in ROOTS {
        find(&guests.checkout.root.join(root), &mut folders)?;
    }
    folders.sort();
    folders.iter().try_for_each(|folder| build_one(guests, folder))
}

fn build_one(guests: &Guests, folder: &Path) -> Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut sources = vec![folder.to_owned()];
    sources.extend(
        SHARED
            .into_iter()
            .chain(lock_of(folder))
            .map(PathBuf::from)
            .filter(|path| guests.checkout.root.join(path).exists()),
    );
    guests.make(&Guest { name: &name, sources: &sources, target: Some(Target::Unknown) }, |out| {
        guests.checkout.cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]).run()?;
        let mut command = Command::new(guests.checkout.sophia());
        command.args(["plugin", "build"]).arg(folder).arg("--output").arg(out);
        guests.prepare(&mut command, Target::Unknown)?;
        command.run()
    })
}

/// The lock file of the workspace that a guest belongs to.
fn lock_of(folder: &Path) -> Option<&'static str> {
    let path = folder.to_string_lossy();
    ["plugins/Cargo.lock", "tests/guests/rust/Cargo.lock"]
        .into_iter()
        .find(|lock| lock.strip_suffix("Cargo.lock").is_some_and(|root| path.contains(root)))
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("plugin.toml").is_file() && folder.join("Cargo.toml").is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    if !folder.is_dir() || folder.ends_with("target") {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        }
    }
    Ok(())
}
