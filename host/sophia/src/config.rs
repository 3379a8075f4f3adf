//! Configuration: what was written ([`RawConfig`]) becomes what will run ([`Config`]).
//!
//! Flags win over the environment, the environment over the file, the file over the defaults.
//! Everything that is wrong is said at once, before anything is opened or listened on.

mod check;
mod checked;
mod models;
mod quotas;
mod raw;
mod runs;

pub(crate) use checked::{Calls, Config, LogFormat, TelemetryConfig};
pub(crate) use raw::RawConfig;

use std::path::{Path, PathBuf};

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or has a field that does not exist.
    #[error("the configuration file {} is wrong\n{source}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what; written for people by the parser, so it is shown.
        source: Box<toml::de::Error>,
    },
    /// Values that cannot be.
    #[error("the configuration cannot be used:{}", list(.0))]
    Complaints(Vec<Complaint>),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The setting, such as `limits.memory`.
    pub(crate) setting: String,
    /// What is wrong with it and what to write.
    pub(crate) wrong: String,
}

/// Reads the file, where there is one.
pub(crate) fn read(path: Option<&Path>) -> Result<RawConfig, ConfigError> {
    let Some(path) = path else { return Ok(RawConfig::default()) };
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })
}

fn list(complaints: &[Complaint]) -> String {
    complaints.iter().map(|c| format!("\n  {}: {}", c.setting, c.wrong)).collect()
}
