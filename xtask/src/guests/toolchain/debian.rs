use std::{ffi::OsString, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use super::{Kind, Target, Toolchain, path_with_linkers, wasi_libc};
use crate::{command::Run as _, guests::apt};

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";

/// The security archive's compiler follows the browsers' needs, so it is recent even on an old
/// release; the plain `rustc` package of Debian 12 is too old for edition 2024.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Debian's compiler, installed first where that needs no password.
pub(super) fn toolchain(target: Target, cache: &Path) -> Result<Toolchain> {
    if let Err(missing) = is_complete() {
        apt::install(&PACKAGES).with_context(|| format!("{missing:#}"))?;
        is_complete()?;
    }
    let mut env: Vec<(&str, OsString)> = vec![
        ("RUSTC", RUSTC.into()),
        // `-Zbuild-std` on a stable compiler: the one unstable thing used, and only for guests.
        ("RUSTC_BOOTSTRAP", "1".into()),
        ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort".into()),
        ("PATH", path_with_linkers()?),
    ];
    if target == Target::Wasip2 {
        let libc = wasi_libc::folder(cache)?;
        let mut flags = OsString::from("-Lnative=");
        flags.push(libc);
        env.push(("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", flags));
    }
    Ok(Toolchain { kind: Kind::Debian, target, cargo: CARGO, env })
}

/// A compiler of at least 1.95 with the sources of its library.
fn is_complete() -> Result<()> {
    let version = Command::new(RUSTC).arg("--version").read()?;
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < 95) {
        bail!("{RUSTC} is {}: guests need 1.95 or later", version.trim());
    }
    let sysroot = Command::new(RUSTC).args(["--print", "sysroot"]).read()?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock");
    if !library.is_file() || !Path::new(CARGO).is_file() {
        bail!("Debian's rustc is here without its cargo or its library's sources");
    }
    Ok(())
}
