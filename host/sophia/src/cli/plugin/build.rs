//! `sophia plugin build`: a crate and its `plugin.toml` become one file.

mod cargo;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;
use sophia_domain::Digest;
use sophia_registry::Manifest;

use super::{
    check::review::{Finding, review},
    package::package,
};
use crate::cli::{Failure, show::Show};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sophia plugin build                        the crate in this folder
  sophia plugin build plugins/hello -o hello.wasm

CARGO names the cargo to start, where it is not the one on the path.")]
pub(crate) struct BuildArgs {
    /// The folder that holds Cargo.toml and plugin.toml
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Where to write the component; NAME.wasm in this folder where not given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A component with its manifest inside, not written anywhere yet.
pub(super) struct Built {
    pub(super) component: Vec<u8>,
    pub(super) manifest: Manifest,
}

pub(super) fn run(args: BuildArgs, show: Show) -> Result<(), Failure> {
    let Built { component, manifest } = build(&args.path)?;
    let about = &manifest.plugin;
    let findings = review(&component)?;
    refuse_errors(&findings)?;
    let file = args.output.unwrap_or_else(|| PathBuf::from(format!("{}.wasm", about.name)));
    fs::write(&file, &component).with_context(|| format!("cannot write {}", file.display()))?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match show {
        Show::Json => show.json(&json!({
            "name": about.name,
            "version": about.version,
            "world": about.world,
            "file": file,
            "digest": Digest::of(&component),
            "size_bytes": component.len(),
            "findings": findings,
        })),
        Show::Text => show.done(&format!(
            "{} {}, a {} of {} kB: {file}\nnext: sophia plugin push {file}",
            about.name,
            about.version,
            about.world,
            component.len().div_ceil(1000),
            file = file.display(),
        )),
    }
}

/// Builds the crate in `folder`. The manifest is read first: a mistake in it is told at once.
pub(super) fn build(folder: &Path) -> Result<Built> {
    let path = folder.join("plugin.toml");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: `sophia plugin new` writes one to begin with", path.display()))?;
    let manifest = Manifest::parse(&text).with_context(|| format!("{} is no manifest", path.display()))?;
    let module = cargo::build(folder)?;
    let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    Ok(Built { component: package(&module, &text)?, manifest })
}

fn refuse_errors(findings: &[Finding]) -> Result<()> {
    let errors: Vec<String> = findings.iter().filter(|finding| finding.is_error()).map(Finding::to_string).collect();
    ensure!(errors.is_empty(), "a node would refuse this plugin\n{}", errors.join("\n"));
    Ok(())
}
