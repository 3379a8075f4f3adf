//! Runs cargo for the guests' target and finds what it made.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

const TARGET: &str = "wasm32-unknown-unknown";

/// Flags for everything that goes into a guest.
///
/// The stack lies below the statics, so that overflowing it traps; 256 KiB hold JSON that is
/// nested as deep as `serde_json` allows. The heap that an instance starts with is what a typical
/// call needs: growing a memory costs the host system calls in every fresh instance, and pages
/// that nobody touches cost nothing. Echoing 170 bytes of JSON in a fresh instance takes 12.5 µs
/// so, and 22.5 µs with the standard library's allocator, which grows first.
const GUEST_FLAGS: [&str; 3] =
    [r#"--cfg=getrandom_backend="custom""#, "-Clink-arg=-zstack-size=262144", "-Clink-arg=--initial-heap=786432"];

/// A line of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Builds the crate in `folder` and answers where its module lies. Cargo speaks to people by
/// itself, on standard error.
pub(super) fn build(folder: &Path) -> Result<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    let manifest = manifest.canonicalize().with_context(|| format!("cannot read {}", manifest.display()))?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    command.arg("--manifest-path").arg(&manifest);
    add_flags(&mut command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}: install Rust from https://rustup.rs", cargo.display()))?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    let modules = modules(BufReader::new(stdout), &manifest)?;
    if !child.wait()?.success() {
        hint_at_missing_target()?;
        bail!("cargo could not build the plugin");
    }
    let [module] = modules.as_slice() else {
        bail!("the crate makes no module: write `crate-type = [\"cdylib\"]` under `[lib]` in Cargo.toml");
    };
    Ok(module.clone())
}

/// Reads cargo's messages to their end and keeps the modules of the crate with this manifest.
fn modules(messages: impl BufRead, manifest: &Path) -> Result<Vec<PathBuf>> {
    let mut modules = Vec::new();
    for line in messages.lines() {
        // What is not such a line was printed by a build script.
        let Ok(message) = serde_json::from_str::<Message>(&line?) else { continue };
        if message.reason == "compiler-artifact" && message.manifest_path == manifest {
            modules.extend(message.filenames.into_iter().filter(|file| file.extension() == Some(OsStr::new("wasm"))));
        }
    }
    Ok(modules)
}

/// Cargo takes flags from one place only. Whoever sets them in the environment keeps them, with
/// ours added; otherwise ours join those of the configuration files.
fn add_flags(command: &mut Command) {
    let flags: Vec<String> = GUEST_FLAGS.into_iter().map(str::to_owned).chain(remap()).collect();
    let own = match (env::var("CARGO_ENCODED_RUSTFLAGS"), env::var("RUSTFLAGS")) {
        (Ok(encoded), _) => encoded,
        (_, Ok(spaced)) => spaced.split_ascii_whitespace().collect::<Vec<_>>().join("\x1f"),
        _ => {
            let list = serde_json::Value::from(flags);
            // A list of JSON strings is a list of TOML strings too.
            command.arg("--config").arg(format!("target.{TARGET}.rustflags={list}"));
            return;
        }
    };
    let joined = own.split('\x1f').filter(|flag| !flag.is_empty()).map(str::to_owned).chain(flags);
    command.env("CARGO_ENCODED_RUSTFLAGS", joined.collect::<Vec<_>>().join("\x1f"));
}

/// Panics name the file they happened in. Where cargo keeps its crates is nobody's business, and
/// without it the same sources give the same digest on every machine.
fn remap() -> Option<String> {
    let home = env::var_os("CARGO_HOME")
        .or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo").into_os_string()))?
        .into_string()
        .ok()?;
    Some(format!("--remap-path-prefix={home}=/cargo"))
}

/// The compiler's own words ("can't find crate for `core`") do not say what to do.
fn hint_at_missing_target() -> Result<()> {
    if env::var_os("CARGO_UNSTABLE_BUILD_STD").is_some() {
        return Ok(());
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let printed = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let folder = printed.ok().and_then(|out| String::from_utf8(out.stdout).ok()).unwrap_or_default();
    ensure!(
        folder.trim().is_empty() || Path::new(folder.trim()).is_dir(),
        "this Rust cannot build for {TARGET} yet: run `rustup target add {TARGET}` and try again"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_module_of_the_crate_itself() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","filenames":["/t/dep.wasm"]}
a build script says hello
{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/p.d","/t/p.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let found = modules(messages.as_bytes(), Path::new("/p/Cargo.toml")).unwrap();
        assert_eq!(found, [PathBuf::from("/t/p.wasm")]);
    }
}
