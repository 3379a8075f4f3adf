//! The servers that tests start for themselves: Postgres and Redis, from Debian's packages.

use std::{fs, process::Command};

use anyhow::Result;

use crate::{command::Run as _, guests::apt};

/// Installs what is missing.
pub(crate) fn ensure() -> Result<()> {
    let missing: Vec<&str> = [("postgresql", has_postgres()), ("redis-server", has_redis())]
        .into_iter()
        .filter_map(|(package, is_here)| (!is_here).then_some(package))
        .collect();
    if missing.is_empty() { Ok(()) } else { apt::install(&missing) }
}

/// Debian keeps its programs off the path, by version.
fn has_postgres() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("bin/initdb").is_file())
        || Command::new("initdb").arg("--version").read().is_ok()
}

fn has_redis() -> bool {
    Command::new("redis-server").arg("--version").read().is_ok()
}
