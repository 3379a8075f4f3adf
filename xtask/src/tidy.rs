//! Keeps the house as the design says: who may name what, what a file looks like, what is never
//! checked in. Each rule is a pure function from what it reads to what it complains of, so that
//! each has a test in which a breaking example turns red.

mod files;
mod manifests;
mod rooms;
mod words;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{checkout::Checkout, command::Run as _};

/// Check the rooms' dependencies, the files' headers and lengths, and what may not be checked in.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask tidy            complaints as path:line, and exit code 1 if there are any
  cargo xtask tidy --json     the same, one JSON object a line")]
pub(crate) struct Args {
    /// One JSON object for each complaint.
    #[arg(long)]
    json: bool,
}

/// Something out of place.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Complaint {
    path: String,
    /// Counted from 1; 0 where the whole file is meant.
    line: usize,
    what: String,
}

/// A file as the rules see it.
struct File {
    path: String,
    text: String,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<()> {
    let complaints = check(checkout)?;
    for complaint in &complaints {
        if args.json {
            println!("{}", serde_json::to_string(complaint)?);
        } else {
            println!("{complaint}");
        }
    }
    match complaints.len() {
        0 => eprintln!("tidy: every rule holds"),
        n => bail!("tidy: {n} complaints"),
    }
    Ok(())
}

fn check(checkout: &Checkout) -> Result<Vec<Complaint>> {
    let files = read_files(checkout)?;
    let mut complaints = Vec::new();
    for file in &files {
        complaints.extend(files::check(file));
        complaints.extend(words::check(file));
        complaints.extend(manifests::check(file));
        complaints.extend(rooms::check_source(file));
    }
    complaints.extend(rooms::check_host(&packages(checkout, Path::new("Cargo.toml"))?));
    for guests in checkout.guest_manifests()? {
        complaints.extend(rooms::check_guests(&packages(checkout, &guests)?));
    }
    Ok(complaints)
}

/// Tracked files, and new ones that git does not ignore. What is not text has no text here.
fn read_files(checkout: &Checkout) -> Result<Vec<File>> {
    let list = Command::new("git")
        .current_dir(&checkout.root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .read()?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        let Ok(bytes) = fs::read(checkout.root.join(path)) else { continue };
        files.push(File { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() });
    }
    Ok(files)
}

fn packages(checkout: &Checkout, manifest: &Path) -> Result<Vec<rooms::Package>> {
    let json = checkout
        .cargo()
        .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
        .arg(checkout.root.join(manifest))
        .read()?;
    let metadata: rooms::Metadata = serde_json::from_str(&json).context("cargo metadata is not as expected")?;
    let place = |package: rooms::Package| rooms::Package {
        manifest_path: checkout.shown(&PathBuf::from(&package.manifest_path)).display().to_string(),
        ..package
    };
    Ok(metadata.packages.into_iter().map(place).collect())
}

impl Complaint {
    fn new(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

#[cfg(test)]
impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}
