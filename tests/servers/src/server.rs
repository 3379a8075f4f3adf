//! A server process, and what it said before it failed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// More than a server needs that starts with an empty directory, also beside a build.
const START: Duration = Duration::from_secs(60);

/// How often it is asked whether it answers.
const POLL: Duration = Duration::from_millis(5);

/// A child that is killed with its test.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) fn start(command: &mut Command, log: &Path, is_ready: impl Fn() -> bool) -> Self {
        let output = File::create(log).expect("a log");
        let errors = output.try_clone().expect("a log");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let mut server = Self { child, log: log.to_owned() };
        let begun = Instant::now();
        while !is_ready() {
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("the server ended with {status}: {}", server.said());
            }
            assert!(begun.elapsed() < START, "the server does not answer: {}", server.said());
            thread::sleep(POLL);
        }
        server
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may be gone already.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    /// Ends it by a signal, and waits until it is gone.
    pub(crate) fn end(&mut self, signal: Signal) {
        self.signal(signal);
        // It may have been waited for already.
        let _ = self.child.wait();
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.end(Signal::KILL);
    }
}
