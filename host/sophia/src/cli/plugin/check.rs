//! `sophia plugin check`: would a node take this plugin, and does it ask for what it uses?

pub(super) mod review;

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use sophia_domain::Digest;
use sophia_registry::Manifest;
use sophia_sandbox::inspect;

use super::build::build;
use crate::cli::{Failure, show::Show};
use review::{Finding, review};

#[derive(Debug, Args)]
#[command(after_help = "No node is needed. Warnings do not fail the check; what a node would refuse does.")]
pub(crate) struct CheckArgs {
    /// A component, or the folder of a crate, which is built first
    #[arg(default_value = ".")]
    path: PathBuf,
}

pub(super) fn run(args: CheckArgs, show: Show) -> Result<(), Failure> {
    let component = if args.path.is_dir() {
        build(&args.path)?.component
    } else {
        fs::read(&args.path).with_context(|| format!("cannot read {}", args.path.display()))?
    };
    let findings = review(&component)?;
    report(&component, &findings, show)?;
    match findings.iter().filter(|finding| finding.is_error()).count() {
        0 => Ok(()),
        n => Err(Failure::Failed(anyhow::anyhow!("a node would refuse this plugin: {n} things to mend"))),
    }
}

fn report(component: &[u8], findings: &[Finding], show: Show) -> Result<(), Failure> {
    let surface = inspect(component).map_err(anyhow::Error::from)?;
    let manifest = surface.manifest.as_deref().and_then(|text| Manifest::parse(text).ok());
    let asks: Vec<String> = manifest.iter().flat_map(Manifest::asks).map(|ask| ask.to_string()).collect();
    let about = manifest.as_ref().map(|manifest| &manifest.plugin);
    if show == Show::Json {
        return show.json(&json!({
            "name": about.map(|about| &about.name),
            "version": about.map(|about| &about.version),
            "world": surface.world,
            "digest": Digest::of(component),
            "size_bytes": component.len(),
            "imports": surface.imports,
            "exports": surface.exports,
            "asks": asks,
            "findings": findings,
        }));
    }
    let name = about.map_or("without a manifest".to_owned(), |about| format!("{} {}", about.name, about.version));
    let mut text = format!("{name}, a {} of {} kB", surface.world, component.len().div_ceil(1000));
    for (title, lines) in [("imports", &surface.imports), ("asks for", &asks)] {
        let lines = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n            ") };
        text.push_str(&format!("\n  {title:<9} {lines}"));
    }
    for finding in findings {
        text.push_str(&format!("\n{finding}"));
    }
    show.done(&text)
}
