use std::{path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use crate::{checkout::Checkout, command::Run as _, step::step};

/// A program that cargo can install. The version is what CI was last green with; what the machine
/// already has on its path is taken as it is.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Runs tests, each in a process of its own.
pub(crate) const NEXTEST: Tool = Tool { name: "cargo-nextest", version: "0.9.143" };
/// Checks licences, sources, bans and advisories.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

impl Tool {
    /// The program to start, installed into the build cache first where it is missing.
    pub(crate) fn ensure(&self, checkout: &Checkout) -> Result<PathBuf> {
        let cached = checkout.target.join("tools/bin").join(self.name);
        for program in [PathBuf::from(self.name), cached.clone()] {
            if Command::new(&program).arg("--version").read().is_ok() {
                return Ok(program);
            }
        }
        step(&format!("install {} {}", self.name, self.version), || {
            let root = checkout.target.join("tools");
            let mut cargo = checkout.cargo();
            cargo.env("CARGO_TARGET_DIR", root.join("build")).args(["install", "--locked", "--root"]).arg(&root);
            cargo.args([self.name, "--version", self.version]).run()
        })?;
        ensure!(cached.is_file(), "cargo install left no {}", cached.display());
        Ok(cached)
    }
}
