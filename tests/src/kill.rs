use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tokio::process::Command;

/// Kills a node at its n-th write from now on. Works through `kill-at`, which traces the node.
#[derive(Clone)]
pub struct KillSwitch {
    kill_at: PathBuf,
    dir: Arc<TempDir>,
}

/// A write that the node was about to make while the switch was armed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The system call and what it was to change.
    pub what: String,
    /// Whether the node was killed instead.
    pub was_killed: bool,
}

impl KillSwitch {
    /// A switch that uses this `kill-at` binary.
    pub fn new(kill_at: impl Into<PathBuf>) -> Self {
        Self { kill_at: kill_at.into(), dir: Arc::new(tempfile::tempdir().expect("a temporary directory")) }
    }

    /// The process of the program itself, once it runs.
    pub(crate) fn program(&self) -> i32 {
        let text = std::fs::read_to_string(self.dir.path().join("pid")).expect("the program was started");
        text.parse().expect("its pid")
    }

    /// Counts writes from now on, and kills the node just before the n-th, counted from 1.
    pub fn arm(&self, at: Option<usize>) {
        // Renamed into place, so that the tracer never reads half a number.
        let (new, armed) = (self.dir.path().join("new"), self.dir.path().join("armed"));
        std::fs::write(&new, at.unwrap_or(usize::MAX).to_string()).expect("the switch is armed");
        std::fs::rename(new, armed).expect("the switch is armed");
    }

    /// Stops counting.
    pub fn disarm(&self) {
        std::fs::remove_file(self.dir.path().join("armed")).expect("the switch was armed");
    }

    /// The writes since the switch was armed.
    pub fn writes(&self) -> Vec<Write> {
        let text = std::fs::read_to_string(self.dir.path().join("writes")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let killed = line.strip_prefix("kill ");
                Write { what: killed.unwrap_or(line).to_owned(), was_killed: killed.is_some() }
            })
            .collect()
    }

    /// A command that runs a program under the switch; `data` is where its writes count.
    pub fn command(&self, program: &Path, data: &Path) -> Command {
        let mut command = Command::new(&self.kill_at);
        command.arg(self.dir.path()).arg(data).arg(program);
        command
    }
}
