use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// Where the sources and what is built from them lie. Found once per run.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    /// The folder that holds the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// `CARGO_TARGET_DIR`, or `target` in the checkout.
    pub(crate) target: PathBuf,
}

impl Checkout {
    /// From what cargo says of this package, or from the current folder upwards.
    pub(crate) fn find() -> Result<Self> {
        let here = env::current_dir().context("the current folder is gone")?;
        let start = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| here.clone(), PathBuf::from);
        let root = start
            .ancestors()
            .find(|folder| folder.join("xtask/Cargo.toml").is_file())
            .context("run this inside the checkout")?
            .to_owned();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| here.join(dir));
        Ok(Self { root, target })
    }

    /// A file that `cargo build --release` made.
    pub(crate) fn release(&self, binary: &str) -> PathBuf {
        self.target.join("release").join(binary)
    }

    /// The host binary.
    pub(crate) fn sophia(&self) -> PathBuf {
        self.release("sophia")
    }

    /// Rustup's cargo on the host workspace.
    pub(crate) fn cargo(&self) -> Command {
        self.cargo_program(Path::new("cargo"))
    }

    /// As [`Checkout::cargo`], for a program that is cargo's extension. The variables that cargo set
    /// for this process are taken away: the checkout's own toolchain file decides again, and build
    /// scripts that watch them (ring's does) are not run again after each plain `cargo build`.
    pub(crate) fn cargo_program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| is_of_cargo(name)) {
            command.env_remove(name);
        }
        command
    }

    /// The manifests of the guests: the outermost one of each folder, whole workspaces included.
    pub(crate) fn guest_manifests(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for folder in ["plugins", "sdk", "tests/guests"] {
            outermost_manifests(&self.root.join(folder), &mut found)?;
        }
        found.sort();
        Ok(found)
    }

    /// A path as people know it: relative to the checkout where it lies inside.
    pub(crate) fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// Whether a variable describes the package that cargo runs, which is this program.
fn is_of_cargo(name: &str) -> bool {
    matches!(name, "CARGO" | "RUSTUP_TOOLCHAIN" | "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE")
        || name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
}

fn outermost_manifests(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let manifest = folder.join("Cargo.toml");
    if manifest.is_file() {
        found.push(manifest);
        return Ok(());
    }
    if !folder.is_dir() || folder.ends_with("node_modules") {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        outermost_manifests(&entry?.path(), found)?;
    }
    Ok(())
}
