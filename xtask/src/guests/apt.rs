use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::Run as _;

/// Installs packages where that needs no password; elsewhere fails with the command to type.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let packages_shown = packages.join(" ");
    let by_hand = format!("run: sudo apt-get update && sudo apt-get install --yes {packages_shown}");
    if !rustix::process::geteuid().is_root() || Command::new("apt-get").arg("--version").read().is_err() {
        bail!("{by_hand}");
    }
    eprintln!("  installing {packages_shown} with apt");
    apt_install(packages)
        .or_else(|_| Command::new("apt-get").arg("update").run_quietly().and_then(|()| apt_install(packages)))
        .context(by_hand)
}

fn apt_install(packages: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "--yes", "--no-install-recommends"]).args(packages);
    apt.run_quietly()
}
