//! A running `sophia serve`, and a client of it that knows nothing but HTTP.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use ureq::{Agent, http};

use crate::process::{Processes, Running};

/// A node with a data folder of its own, on a free port of the loopback.
pub(crate) struct Node {
    process: Running,
    agent: Agent,
    /// Its root, such as `http://127.0.0.1:4321`.
    pub(crate) url: String,
    /// The operator's key.
    pub(crate) key: String,
    /// From the start of the process to the first 200 of `/ready`.
    pub(crate) ready_after: Duration,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, whatever it is.
    pub(crate) body: Vec<u8>,
}

/// A node answers or is gone; nothing here takes longer than a slow compile.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Node {
    /// Starts `command` (which ends in `serve` and its flags), and waits until it is ready.
    pub(crate) fn start(processes: &Processes, command: Command, log: PathBuf) -> Result<Self> {
        let start = Instant::now();
        let process = processes.start(command, log).context("starting sophia serve")?;
        let (mut key, mut url) = (String::new(), String::new());
        while key.is_empty() || url.is_empty() {
            let line = process.line_after("", TIMEOUT).context("sophia serve")?;
            if let Some(rest) = line.strip_prefix("operator key (shown once):") {
                rest.trim().clone_into(&mut key);
            } else if let Some(rest) = line.strip_prefix("sophia listening on ") {
                rest.trim().clone_into(&mut url);
            }
        }
        let mut node = Self { process, agent: agent(), url, key, ready_after: Duration::ZERO };
        while node.get("/ready").map_or(0, |answer| answer.status) != 200 {
            ensure!(start.elapsed() < TIMEOUT, "the node listens but does not become ready");
        }
        node.ready_after = start.elapsed();
        Ok(node)
    }

    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, Vec::new())
    }

    /// `POST path` with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, body.to_string().into_bytes())
    }

    /// `PUT path` with a JSON body.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("PUT", path, body.to_string().into_bytes())
    }

    /// `PUT /v1/plugins/{name}` with a component's bytes, as `curl -T` does it.
    pub(crate) fn upload(&self, name: &str, wasm: &Path) -> Result<Answer> {
        let bytes = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
        self.upload_bytes(name, bytes)
    }

    /// As [`Node::upload`], for a component that is in memory.
    pub(crate) fn upload_bytes(&self, name: &str, wasm: Vec<u8>) -> Result<Answer> {
        self.send("PUT", &format!("/v1/plugins/{name}"), wasm)
    }

    /// `DELETE path`.
    pub(crate) fn delete(&self, path: &str) -> Result<Answer> {
        self.send("DELETE", path, Vec::new())
    }

    /// Its process.
    pub(crate) fn process(&self) -> &Running {
        &self.process
    }

    /// A client with connections of its own, for a thread that calls while others do.
    pub(crate) fn client(&self) -> Client {
        Client { agent: agent(), url: self.url.clone(), key: self.key.clone() }
    }

    /// Stops it, and fails unless it ended cleanly.
    pub(crate) fn stop(self) -> Result<()> {
        let status = self.process.stop()?;
        ensure!(status.success(), "sophia serve did not end cleanly: {status}");
        Ok(())
    }

    fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Answer> {
        send(&self.agent, method, &format!("{}{path}", self.url), &self.key, body)
    }
}

/// A client of a node with its own connections.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    key: String,
}

impl Client {
    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        send(&self.agent, "GET", &format!("{}{path}", self.url), &self.key, Vec::new())
    }
}

impl Answer {
    /// The body as JSON, where the status says success.
    pub(crate) fn ok(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("{} {}", self.status, String::from_utf8_lossy(&self.body));
        }
        self.json()
    }

    /// The problem document, where the status says that something was refused.
    pub(crate) fn problem(&self) -> Result<Value> {
        ensure!(self.status >= 400, "expected a refusal, got {} {}", self.status, String::from_utf8_lossy(&self.body));
        let problem = self.json()?;
        ensure!(problem.get("status") == Some(&self.status.into()), "the answer is no problem document: {problem}");
        Ok(problem)
    }

    fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).context("the answer is no JSON")
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).proxy(None).build().into()
}

fn send(agent: &Agent, method: &str, url: &str, key: &str, body: Vec<u8>) -> Result<Answer> {
    let is_json = matches!(body.first(), Some(b'{' | b'['));
    let req = http::Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", if is_json { "application/json" } else { "application/wasm" });
    // An empty body is none: ureq would refuse to send it with a GET.
    let res = if body.is_empty() { agent.run(req.body(())?) } else { agent.run(req.body(body)?) };
    let mut res = res.with_context(|| format!("{method} {url}"))?;
    Ok(Answer { status: res.status().as_u16(), body: res.body_mut().read_to_vec()? })
}
