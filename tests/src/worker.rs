use std::{
    path::PathBuf,
    process::{Command as Blocking, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::paths::target;

/// Loading weights takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The version that the scripts were written against; the worker's own tests use the same.
const OPENAI: &str = "openai==3.54.0";

/// A running `sophia-worker` with real weights. Killed when dropped.
pub struct Worker {
    url: String,
    child: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// On a free port.
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1:0").await
    }

    /// On this address.
    pub async fn start_on(address: &str) -> Self {
        let mut child = Command::new(worker())
            .args(["serve", "--listen", address, "--models"])
            .arg(weights())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the worker starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("the worker listens in time");
        let line = line.expect("the worker's stdout").expect("the worker listens");
        let url = line.strip_prefix("sophia-worker listening on ").expect("its address").to_owned();
        Self { url, child, _stdout: lines }
    }

    /// Its root, such as `http://127.0.0.1:4321`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Ends it at once.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the worker is there");
    }
}

/// The folder of the weights.
pub fn weights() -> PathBuf {
    let path = std::env::var_os("SOPHIA_MODELS").map_or_else(|| target().join("worker/models"), PathBuf::from);
    assert!(path.is_dir(), "{} is not there: run `cargo xtask test`, which fetches it", path.display());
    path
}

/// An interpreter that has OpenAI's own package, as it comes. Made at its first use.
pub fn openai_python() -> PathBuf {
    let folder = target().join("worker/openai-venv");
    let python = folder.join("bin/python");
    let has_package = Blocking::new(&python).args(["-c", "import openai"]).status().is_ok_and(|done| done.success());
    if !has_package {
        run(Blocking::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Blocking::new(&python).args(["-m", "pip", "install", "--quiet", OPENAI]));
    }
    python
}

/// `SOPHIA_WORKER_BIN`, or the release build beside the host's.
fn worker() -> PathBuf {
    let built = || target().join("worker/release/sophia-worker");
    let path = std::env::var_os("SOPHIA_WORKER_BIN").map_or_else(built, PathBuf::from);
    assert!(path.is_file(), "{} is not there: run `cargo xtask test`, which builds it", path.display());
    path
}

fn run(command: &mut Blocking) {
    let done = command.status().expect("python3 is there");
    assert!(done.success(), "{command:?}");
}
