use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    Bench,
    load::{Load, SERVER_CORE},
};
use crate::{guests::embed, node::Node};

/// The node that is measured: the shipped binary at its default configuration, on one core.
pub(super) struct Subject {
    node: Node,
    /// The endpoint that is deployed over and over.
    wasm: Vec<u8>,
}

/// The key that has limits.
const LIMITED: &str = "limited";

/// What a call of a connector usually carries: a few fields, some hundred bytes.
const ARGUMENTS: &str = r#"{"email":"ada@example.com","firstname":"Ada","lastname":"Lovelace","company":"Analytical Engines","amount":1815}"#;

impl Subject {
    /// With the plugins that the load calls.
    pub(super) fn start(bench: &Bench) -> Result<Self> {
        let subject = Self::start_empty(bench)?;
        let node = &subject.node;
        node.upload("hello", &bench.guests.path("hello"))?.ok()?;
        node.upload("echo", &bench.guests.path("echo"))?.ok()?;
        node.put("/v1/connections/echo/bench", &json!({ "config": {}, "credentials": {} }))?.ok()?;
        Ok(subject)
    }

    /// With nothing uploaded, in a data folder of its own.
    pub(super) fn start_empty(bench: &Bench) -> Result<Self> {
        let data = tempfile::tempdir_in(bench.scratch.path())?.keep();
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", SERVER_CORE]).arg(bench.checkout.sophia());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        let node = Node::start(&bench.processes, command, data.with_extension("log"))?;
        let path = bench.guests.path("hello");
        let wasm = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { node, wasm })
    }

    /// JSON in and out, through key check, admission and a fresh instance.
    pub(super) fn call(&self) -> Result<Load> {
        let path = "/v1/connectors/echo/bench/actions/echo";
        let answer = self.node.post(path, &serde_json::from_str::<Value>(ARGUMENTS)?)?;
        answer.ok()?;
        Ok(self.load(path, Some(ARGUMENTS.to_owned()), answer.body))
    }

    /// The same under the key that [`Self::limit`] limits.
    pub(super) fn limited_call(&self) -> Result<Load> {
        let made = self.node.post("/v1/keys", &json!({ "name": LIMITED, "role": "member" }))?;
        let made = made.ok()?;
        let key = made.get("key").and_then(Value::as_str).context("the node made no key")?.to_owned();
        Ok(Load { key, ..self.call()? })
    }

    /// Sets limits of the tenant and of that key; none takes them back.
    pub(super) fn limit(&self, of_tenant: &[&str], of_key: &[&str]) -> Result<()> {
        for (path, limits) in [("tenant".to_owned(), of_tenant), (format!("keys/{LIMITED}"), of_key)] {
            let path = format!("/v1/limits/{path}");
            if limits.is_empty() {
                let status = self.node.delete(&path)?.status;
                ensure!(matches!(status, 204 | 404), "the limits stayed: {status}");
            } else {
                self.node.put(&path, &json!({ "limits": limits }))?.ok()?;
            }
        }
        Ok(())
    }

    /// A GET of the endpoint.
    pub(super) fn endpoint(&self) -> Result<Load> {
        let answer = self.node.get("/x/hello/")?;
        ensure!(answer.status == 200, "hello answered {}", answer.status);
        Ok(self.load("/x/hello/", None, answer.body))
    }

    /// Milliseconds from each upload of new bytes to the first 200 at the route.
    pub(super) fn deploys(&self, n: usize) -> Result<Vec<f64>> {
        (0..n).map(|i| self.deploy(i)).collect()
    }

    /// From the start of the process to the first 200 of `/ready`.
    pub(super) fn ready_after(&self) -> Duration {
        self.node.ready_after
    }

    /// What the process has in memory now, in millions of bytes.
    pub(super) fn resident_mb(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.node.process().pid().as_raw_nonzero()))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_ascii_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.context("the kernel does not say VmRSS")? * 1024.0 / 1e6)
    }

    /// Ends it, cleanly.
    pub(super) fn stop(self) -> Result<()> {
        self.node.stop()
    }

    /// The route is emptied first, so that the old version cannot answer for the new one.
    fn deploy(&self, nth: usize) -> Result<f64> {
        self.node.delete("/v1/plugins/hello")?.ok()?;
        // A custom section more makes it another version that does the same.
        let wasm = [self.wasm.as_slice(), &embed::custom_section("stamp", nth.to_string().as_bytes())?].concat();
        let start = Instant::now();
        self.node.upload_bytes("hello", wasm)?.ok()?;
        while self.node.get("/x/hello/")?.status != 200 {
            ensure!(start.elapsed() < Duration::from_secs(30), "the new version does not answer");
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    fn load(&self, path: &str, body: Option<String>, answer: Vec<u8>) -> Load {
        let answer = String::from_utf8_lossy(&answer).into_owned();
        Load { url: format!("{}{path}", self.node.url), key: self.node.key.clone(), body, answer }
    }
}
