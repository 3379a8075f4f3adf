//! Programs from Python packages, in an environment of their own: the machine's Python stays as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::apt;
use crate::command::Run as _;

/// A Python environment in the cache that holds exactly what its requirements pin.
pub(super) struct Venv {
    programs: PathBuf,
}

impl Venv {
    /// Made at the first use, and anew when the requirements change.
    pub(super) fn open(folder: &Path, requirements: &Path) -> Result<Self> {
        let venv = Self { programs: folder.join("bin") };
        let installed = folder.join("installed.txt");
        let wanted =
            fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
        let is_current = fs::read_to_string(&installed).is_ok_and(|text| text == wanted);
        if is_current && Command::new(venv.program("python")).arg("--version").read().is_ok() {
            return Ok(venv);
        }
        eprintln!("  installing {} into {}", requirements.display(), folder.display());
        create(folder)?;
        let mut pip = Command::new(venv.program("python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]);
        pip.arg("--requirement").arg(requirements).run_quietly()?;
        fs::write(installed, wanted)?;
        Ok(venv)
    }

    /// The path of an installed program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }
}

fn create(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let can_make_venvs = || Command::new("python3").args(["-c", "import ensurepip, venv"]).run_quietly();
    if can_make_venvs().is_err() {
        apt::install(&["python3", "python3-venv"]).context("no Python 3 with venv is here")?;
    }
    Command::new("python3").args(["-m", "venv"]).arg(folder).run_quietly()
}
