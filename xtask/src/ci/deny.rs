use anyhow::Result;

use crate::{checkout::Checkout, command::Run as _, tools, worker};

/// The workspaces whose dependencies are shipped or run inside a guest.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "plugins/Cargo.toml", worker::MANIFEST];

/// Bans, licences and sources always; advisories where their database can be fetched.
pub(super) fn run(checkout: &Checkout) -> Result<()> {
    let program = tools::DENY.ensure(checkout)?;
    let config = checkout.root.join("deny.toml");
    let deny = |manifest: &str| {
        let mut command = checkout.cargo_program(&program);
        command.args(["--manifest-path", manifest, "--workspace", "--all-features", "--config"]).arg(&config);
        command
    };
    let fetched = deny("Cargo.toml").args(["fetch", "db"]).read();
    for manifest in MANIFESTS.into_iter().filter(|manifest| checkout.root.join(manifest).is_file()) {
        deny(manifest).args(["check", "bans", "licenses", "sources"]).run()?;
        if fetched.is_ok() {
            deny(manifest).args(["check", "--disable-fetch", "advisories"]).run()?;
        }
    }
    if let Err(error) = fetched {
        let text = format!("{error:#}");
        let why = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        eprintln!("  SKIPPED: advisories were not checked, their database cannot be reached ({})", why.trim());
    }
    Ok(())
}
