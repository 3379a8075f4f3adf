//! Which Rust builds the guests. One function decides, and says what it took and why.
//!
//! Rustup's target is the ordinary way. Where rustup cannot fetch it, Debian's own `rustc-web` is
//! taken, with the standard library built from `rust-web-src` and the linkers of rustup's sysroot.

mod debian;
mod wasi_libc;

use std::{env, ffi::OsString, fmt, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::command::Run as _;

/// What a guest is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// `wasm32-unknown-unknown`: imports nothing but what the contract gives.
    Unknown,
    /// `wasm32-wasip2`: test guests that use WASI.
    Wasip2,
}

/// The two ways to a Rust that builds wasm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Rustup's cargo with the target installed.
    Rustup,
    /// Debian's cargo, building the standard library itself.
    Debian,
}

/// A chosen toolchain. One per target and run.
pub(crate) struct Toolchain {
    kind: Kind,
    target: Target,
    cargo: &'static str,
    env: Vec<(&'static str, OsString)>,
}

/// Variables of the cargo that started this process. They would decide for the guests' cargo too.
const TAKEN_AWAY: [&str; 6] =
    ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_MANIFEST_DIR", "CARGO_BUILD_TARGET"];

/// Rustup's target where it is installed or can be; else Debian's compiler; else the command to type.
pub(crate) fn choose(target: Target, wanted: Option<Kind>, cache: &Path) -> Result<Toolchain> {
    match wanted {
        Some(Kind::Rustup) => rustup(target),
        Some(Kind::Debian) => debian::toolchain(target, cache),
        None => rustup(target).or_else(|no_rustup| {
            eprintln!("  rustup has no {target}: {}", first_line(&no_rustup));
            debian::toolchain(target, cache).with_context(|| format!("no Rust here builds for {target}"))
        }),
    }
}

impl Toolchain {
    /// Which of the two ways it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The cargo to start.
    pub(crate) fn cargo(&self) -> &'static str {
        self.cargo
    }

    /// Gives a command what it needs to build with this toolchain into `target_dir`.
    pub(crate) fn apply(&self, command: &mut Command, target_dir: &Path) {
        for name in TAKEN_AWAY {
            command.env_remove(name);
        }
        command.env("CARGO", self.cargo).env("CARGO_TARGET_DIR", target_dir);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
    }
}

fn rustup(target: Target) -> Result<Toolchain> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).read()?;
    if !installed.lines().any(|line| line == target.as_str()) {
        // Where rustup is offline it fails by itself in a few seconds.
        Command::new("rustup").args(["target", "add", target.as_str()]).read()?;
    }
    Ok(Toolchain { kind: Kind::Rustup, target, cargo: "cargo", env: Vec::new() })
}

/// `PATH` with these folders of rustup's sysroot in front: `rust-lld`, `wasm-component-ld`, `wasm-ld`.
fn path_with_linkers() -> Result<OsString> {
    let sysroot = Command::new("rustc").env_remove("RUSTC").args(["--print", "sysroot"]).read()?;
    let host = Command::new("rustc").args(["--print", "host-tuple"]).read()?;
    let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(host.trim()).join("bin");
    if !tools.join("rust-lld").is_file() {
        bail!("rustup's toolchain has no rust-lld in {}", tools.display());
    }
    let rest = env::var_os("PATH").unwrap_or_default();
    let folders = [tools.clone(), tools.join("gcc-ld")].into_iter().chain(env::split_paths(&rest));
    env::join_paths(folders).context("PATH holds a name that cannot be in it")
}

fn first_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines().find(|line| line.starts_with("error")).or_else(|| text.lines().next()).unwrap_or_default().to_owned()
}

impl Target {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "wasm32-unknown-unknown",
            Self::Wasip2 => "wasm32-wasip2",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Rustup => write!(f, "{}: rustup's cargo, the target is installed", self.target),
            Kind::Debian => write!(f, "{}: Debian's cargo, which builds the standard library too", self.target),
        }
    }
}
