use std::fs;

use anyhow::{Context, Result};

use super::{Guest, Guests, Target, embed};
use crate::command::Run as _;

/// Folders under `tests/guests`, each a package `guest-{name}` with a lock file of its own.
const NAMES: [&str; 2] = ["wasi02", "wasi03"];

/// Builds the endpoints in Rust that use WASI. Plain cargo makes a component for this target.
pub(crate) fn build(guests: &Guests) -> Result<()> {
    NAMES.iter().try_for_each(|name| build_one(guests, name))
}

fn build_one(guests: &Guests, name: &str) -> Result<()> {
    let folder = guests.checkout.root.join("tests/guests").join(name);
    let sources = std::slice::from_ref(&folder);
    guests.make(&Guest { name, sources, target: Some(Target::Wasip2) }, |out| {
        let target_dir = guests.cache.join("wasi");
        let mut cargo = guests.cargo(Target::Wasip2)?;
        cargo.current_dir(&folder).args(["build", "--release", "--locked", "--target", "wasm32-wasip2"]);
        cargo.arg("--target-dir").arg(&target_dir).run()?;
        let built = target_dir.join(format!("wasm32-wasip2/release/guest_{name}.wasm"));
        fs::copy(&built, out).with_context(|| format!("cannot copy {}", built.display()))?;
        embed::append(&folder.join("plugin.toml"), out)
    })
}
