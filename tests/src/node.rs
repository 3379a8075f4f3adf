use std::{
    fs::File,
    ops::Deref,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{Caller, DataDir, Setup, sophia};

/// The operator key of every node that a test starts.
pub(crate) const KEY: &str = "sophia_op_a-key-that-only-tests-use-0123456789";

/// How long a node may take to listen or to drain before the test gives up: far over what it
/// takes on a busy machine, so that only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running node, and a caller that has its operator key. Killed when dropped.
pub struct Node {
    caller: Caller,
    child: Child,
    pid: Pid,
    data: DataDir,
    /// Kept open: a node whose stdout is gone fails at its next line.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Deref for Node {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Node {
    pub(crate) async fn start(setup: Setup) -> Self {
        let mut child = command(&setup).spawn().expect("the node starts");
        let pid = Pid::from_raw(i32::try_from(child.id().expect("a pid")).expect("a pid is small"));
        let stdout = child.stdout.take().expect("its stdout");
        let mut lines = BufReader::new(stdout).lines();
        let listening = timeout(PATIENCE, listening_on(&mut lines)).await;
        let Ok(Some(base)) = listening else { panic!("the node does not listen:\n{}", log_of(&setup.data)) };
        // Signals are for the node, not for what traces it; that ends when the node has ended.
        let pid = setup.kill_switch.map_or(pid, |switch| Pid::from_raw(switch.program()));
        Self { caller: Caller::new(&base, KEY), child, pid, data: setup.data, _stdout: lines }
    }

    pub(crate) async fn refused(setup: Setup) -> String {
        let mut child = command(&setup).spawn().expect("the node starts");
        let Ok(ended) = timeout(PATIENCE, child.wait()).await else { panic!("the node does not end") };
        assert!(!ended.expect("its status").success(), "the node ended well");
        log_of(&setup.data)
    }

    /// Its data directory, to start another node on.
    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        log_of(&self.data)
    }

    /// Sends a signal. Does not wait.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("the node is still there");
    }

    /// Asks it to stop and waits until it has drained. It must end by itself, and well.
    pub async fn stop(self) {
        self.signal(Signal::SIGTERM);
        let data = self.data.clone();
        let status = self.ended().await;
        assert!(status.success(), "the node ended with {status}:\n{}", log_of(&data));
    }

    /// Stops it, and answers all that it wrote to stderr: lines are written in batches, the last at
    /// its end.
    pub async fn stop_and_log(self) -> String {
        let data = self.data.clone();
        self.stop().await;
        log_of(&data)
    }

    /// Kills it as a power cut would.
    pub async fn kill(self) {
        self.signal(Signal::SIGKILL);
        let _status = self.ended().await;
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let Ok(status) = ended else { panic!("the node does not end:\n{}", log_of(&self.data)) };
        status.expect("its status")
    }
}

fn command(setup: &Setup) -> Command {
    let config = setup.data.beside("sophia.toml");
    std::fs::write(&config, setup.config.to_string()).expect("the configuration is written");
    let mut command = match &setup.kill_switch {
        None => Command::new(sophia()),
        Some(switch) => switch.command(&sophia(), &setup.data.path()),
    };
    let log = File::options().create(true).append(true).open(setup.data.beside("log")).expect("a log file");
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(setup.data.path())
        .arg("--config")
        .arg(&config)
        .env("SOPHIA_OPERATOR_KEY", KEY)
        // What happens to listen on this machine is no part of a test.
        .env("SOPHIA_WORKER_URL", "off")
        .envs(setup.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    command
}

/// The address in the line `sophia listening on http://…`; none where the node ended before.
async fn listening_on(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    while let Some(line) = lines.next_line().await.expect("the node's stdout") {
        if let Some(base) = line.strip_prefix("sophia listening on ") {
            return Some(base.trim().to_owned());
        }
    }
    None
}

fn log_of(data: &DataDir) -> String {
    std::fs::read_to_string(data.beside("log")).unwrap_or_default()
}
