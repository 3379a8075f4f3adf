use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{
    checkout::Checkout,
    command::Run as _,
    guests::apt,
    process::{Processes, Running},
};

/// The core of whatever is measured, and that of the load.
pub(super) const SERVER_CORE: &str = "0";
pub(super) const LOAD_CORE: &str = "1";

/// Requests that are sent over and over on 32 connections.
pub(super) struct Load {
    /// The whole URL.
    pub(super) url: String,
    /// The operator's key.
    pub(super) key: String,
    /// The JSON to post; without one it is a GET.
    pub(super) body: Option<String>,
    /// What every answer must be; a peer is made to give the same.
    pub(super) answer: String,
}

/// wrk runs it in its one thread; `%s` are filled in below.
const SCRIPT: &str = r#"
wrk.method = "METHOD"
wrk.body = BODY
wrk.headers["authorization"] = "Bearer KEY"
wrk.headers["content-type"] = "application/json"
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\nfigures %d %d %d\n", summary.requests, summary.duration, failed))
end
"#;

/// Installs wrk where that needs no password, or says how to.
pub(super) fn ensure_wrk() -> Result<()> {
    // wrk without arguments fails with its usage: that it starts is what counts.
    if Command::new("wrk").output().is_ok() {
        return Ok(());
    }
    apt::install(&["wrk"])
}

impl Load {
    /// One round.
    pub(super) fn requests_per_second(&self, during: Duration, scratch: &Path) -> Result<f64> {
        let script = scratch.join("load.lua");
        fs::write(&script, self.script())?;
        let mut wrk = Command::new("taskset");
        wrk.args(["--cpu-list", LOAD_CORE, "wrk", "--connections", "32", "--threads", "1", "--duration"]);
        let text = wrk.arg(format!("{}s", during.as_secs())).arg("--script").arg(&script).arg(&self.url).read()?;
        let (n_requests, micros, n_failed) = figures(&text).with_context(|| format!("wrk said no figures:\n{text}"))?;
        ensure!(n_failed == 0, "{n_failed} of {n_requests} requests to {} failed", self.url);
        Ok(n_requests as f64 / (micros as f64 / 1e6))
    }

    /// The same load on a bare hyper that gives the same answer, on the server's core.
    pub(super) fn of_bare_hyper(
        &self,
        checkout: &Checkout,
        processes: &Processes,
        scratch: &Path,
    ) -> Result<(Self, Running)> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", SERVER_CORE]).arg(checkout.release("bare-hyper")).arg(&self.answer);
        let running = processes.start(command, scratch.join("bare-hyper.log"))?;
        let url = running.line_after("listening on ", Duration::from_secs(10))?;
        let load = Self { url, key: self.key.clone(), body: self.body.clone(), answer: self.answer.clone() };
        Ok((load, running))
    }

    fn script(&self) -> String {
        let (method, body) = match &self.body {
            Some(body) => ("POST", format!("{body:?}")),
            None => ("GET", "nil".to_owned()),
        };
        SCRIPT.replace("METHOD", method).replace("BODY", &body).replace("KEY", &self.key)
    }
}

fn figures(text: &str) -> Option<(u64, u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("figures "))?;
    let mut numbers = line.split(' ').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_script_writes() {
        assert_eq!(figures("Running 4s test\n\nfigures 10 4000000 2\n"), Some((10, 4_000_000, 2)));
        assert_eq!(figures("unable to connect"), None);
    }

    #[test]
    fn posts_json_as_it_is() {
        let load = Load { url: String::new(), key: "k".into(), body: Some(r#"{"n":1}"#.into()), answer: String::new() };
        assert!(load.script().contains(r#"wrk.body = "{\"n\":1}""#), "{}", load.script());
    }
}
