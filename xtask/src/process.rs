//! Child processes that end with this one: at the end of the work, at an error, at Ctrl-C.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::shown;

/// The one that Ctrl-C stops: a signal belongs to the whole process, and has one handler.
static WATCHED: OnceLock<Processes> = OnceLock::new();

/// What runs now. One per run of xtask; cheap to clone.
#[derive(Clone)]
pub(crate) struct Processes {
    running: Arc<Mutex<Vec<Pid>>>,
    is_interrupted: Arc<AtomicBool>,
}

/// One child. Stopped when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
    processes: Processes,
}

/// How long a child may take to drain before it is killed: a little more than a node's own deadline.
const PATIENCE: Duration = Duration::from_secs(35);

impl Processes {
    /// From now on Ctrl-C, SIGTERM and SIGHUP stop the children first. The second one stops at once.
    pub(crate) fn watched() -> Result<Self> {
        if let Some(processes) = WATCHED.get() {
            return Ok(processes.clone());
        }
        let processes = Self { running: Arc::default(), is_interrupted: Arc::default() };
        let watched = processes.clone();
        ctrlc::set_handler(move || watched.interrupt()).context("cannot listen for Ctrl-C")?;
        Ok(WATCHED.get_or_init(|| processes).clone())
    }

    /// Starts a child. Its stdout is read line by line; its stderr goes to `log`.
    pub(crate) fn start(&self, mut command: Command, log: PathBuf) -> Result<Running> {
        let stderr = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // An open stdin is how a child notices that this process was killed.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        // Out of the terminal's group: Ctrl-C reaches this process, which passes it on once. A node
        // that is told twice does not drain.
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", shown(&command)))?;
        self.running().push(Pid::from_child(&child));
        let stdout = child.stdout.take().context("a piped stdout is there")?;
        let (sender, lines) = mpsc::channel();
        // Ends with the child's stdout; a line that nobody wants is read all the same, so that
        // the child never waits for a full pipe.
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| _ = sender.send(line))
        });
        Ok(Running { child, lines, log, processes: self.clone() })
    }

    /// Whether somebody asked to stop.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Fails once somebody asked to stop. Called between steps.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.is_interrupted() {
            bail!("interrupted");
        }
        Ok(())
    }

    fn interrupt(&self) {
        if self.is_interrupted.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        for pid in self.running().iter() {
            let _ = kill_process(*pid, Signal::TERM);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<Pid>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// The rest of the first line that starts with `start`.
    pub(crate) fn line_after(&self, start: &str, within: Duration) -> Result<String> {
        let deadline = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(start) {
                        return Ok(rest.trim().to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("it did not say `{start}` within {within:?}{}", self.last_words())
                }
                Err(RecvTimeoutError::Disconnected) => bail!("it ended without saying `{start}`{}", self.last_words()),
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to end, waits, and says how it ended; kills it when it does not.
    pub(crate) fn stop(mut self) -> Result<std::process::ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> Result<std::process::ExitStatus> {
        let pid = self.pid();
        if self.child.try_wait()?.is_none() && !self.processes.is_interrupted() {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.processes.running().retain(|other| *other != pid);
        Ok(self.child.wait()?)
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(15).collect();
        lines.into_iter().rev().fold(String::new(), |all, line| format!("{all}\n  {line}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Running) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let processes = Processes { running: Arc::default(), is_interrupted: Arc::default() };
        let running = processes.start(command, dir.path().join("log")).unwrap();
        (dir, running)
    }

    #[test]
    fn finds_the_line_and_stops_the_child() {
        let (_dir, running) = shell("echo other; echo listening on here; exec cat");
        assert_eq!(running.line_after("listening on ", Duration::from_secs(30)).unwrap(), "here");
        assert!(!running.stop().unwrap().success());
    }

    #[test]
    fn shows_the_last_words_of_a_child_that_ended() {
        let (_dir, running) = shell("echo no such folder >&2");
        let error = running.line_after("listening on ", Duration::from_secs(30)).unwrap_err();
        assert!(format!("{error}").contains("no such folder"), "{error}");
    }

    #[test]
    fn an_interrupt_ends_every_child_and_the_next_step() {
        let (_dir, running) = shell("exec cat");
        let processes = running.processes.clone();
        processes.interrupt();
        assert!(processes.go_on().is_err());
        assert!(!running.stop().unwrap().success());
    }
}
