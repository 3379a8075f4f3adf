//! A C library for `wasm32-wasip2`, which the compiler of Debian does not bring.
//!
//! Debian unstable's `wasi-libc` holds it. It is fetched and unpacked beside the build, never
//! installed: the machine's own package state stays as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::command::Run as _;

/// Where the library lies once it is there.
pub(super) fn folder(cache: &Path) -> Result<PathBuf> {
    let unpacked = cache.join("wasi-libc");
    let libs = unpacked.join("usr/lib/wasm32-wasip2");
    if !libs.join("libc.a").is_file() {
        eprintln!("  fetching wasi-libc with apt, for wasm32-wasip2");
        fetch(&unpacked).context("cannot fetch Debian's wasi-libc")?;
    }
    if !libs.join("libc.a").is_file() {
        bail!("Debian's wasi-libc has no {}", libs.join("libc.a").display());
    }
    Ok(libs)
}

fn fetch(unpacked: &Path) -> Result<()> {
    let state = tempfile::tempdir()?;
    for folder in ["lists/partial", "cache/archives/partial", "sources.list.d"] {
        fs::create_dir_all(state.path().join(folder))?;
    }
    fs::write(state.path().join("sources.list"), format!("{}\n", unstable_source()?))?;
    fs::write(state.path().join("status"), "")?;
    apt(state.path()).arg("update").read()?;
    apt(state.path()).args(["download", "wasi-libc"]).read()?;
    let package = fs::read_dir(state.path())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ext| ext == "deb"))
        .context("apt-get download left no package")?;
    fs::create_dir_all(unpacked)?;
    Command::new("dpkg-deb").arg("--extract").args([&package, unpacked]).run_quietly()
}

/// apt-get with lists, cache and sources of its own.
fn apt(state: &Path) -> Command {
    let mut apt = Command::new("apt-get");
    apt.current_dir(state);
    let at = |name: &str| state.join(name).display().to_string();
    for (option, value) in [
        ("Dir::State::lists", at("lists")),
        ("Dir::State::status", at("status")),
        ("Dir::Cache", at("cache")),
        ("Dir::Etc::sourcelist", at("sources.list")),
        ("Dir::Etc::sourceparts", at("sources.list.d")),
        // The sandbox user of apt cannot enter a private folder.
        ("APT::Sandbox::User", "root".to_owned()),
    ] {
        apt.arg("-o").arg(format!("{option}={value}"));
    }
    apt
}

/// The machine's own mirror, asked for another release. No address is written down here.
fn unstable_source() -> Result<String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"])
        .read()?;
    let mirror = targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian "))
        .context("apt knows no Debian mirror: on another system, install the target with rustup")?;
    Ok(format!("deb {mirror} unstable main"))
}
