//! What the node adds to a chat: key, ledger and policy on, an upstream without a delay behind it.
//!
//! "Added" is what passes through the node minus what goes straight to the upstream, in turns, in
//! the same minute. The upstream shares the server's core, so that both ways cross from the load's
//! core and back once: on a virtual machine it takes longer to wake another core than to answer.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    Bench, Figure,
    load::{LOAD_CORE, Load, SERVER_CORE},
    median,
};
use crate::{command::Run as _, node::Node, process::Running};

/// Chats a second: far below what one core can do, as a node in service is.
const RATE: &str = "1000";

/// Streams of a round, one after the other, of sixty events each.
const STREAMS: &str = "8";

/// The policy that decides each of them.
const POLICY: &str = "cost-aware";

/// A node with one upstream behind it.
struct Way {
    node: Node,
    _upstream: Running,
    /// Straight to the upstream.
    direct: String,
    log: PathBuf,
}

/// What was added to a chat. Microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chats {
    p50: f64,
    p99: f64,
}

pub(super) fn overhead_p50(bench: &Bench) -> Result<Figure> {
    Ok(Figure::against("model.overhead.p50", chats(bench)?.p50, "us", 300.0))
}

pub(super) fn overhead_p99(bench: &Bench) -> Result<Figure> {
    Ok(Figure::against("model.overhead.p99", chats(bench)?.p99, "us", 2_000.0))
}

/// Under full load, as a fresh call is measured: what one takes on a core that sleeps between two
/// is mostly the waking of its caches.
pub(super) fn policy(bench: &Bench) -> Result<Figure> {
    let way = Way::start(bench)?;
    let question = json!({ "role": "user", "content": "How much is the fish? Answer in one sentence, please." });
    let chat = json!({ "model": "fast", "max_tokens": 64, "messages": [question] });
    let load = Load {
        url: format!("{}/v1/chat/completions", way.node.url),
        key: way.node.key.clone(),
        body: Some(chat.to_string()),
        answer: String::new(),
    };
    for _ in 0..bench.rounds {
        bench.processes.go_on()?;
        load.requests_per_second(bench.each, bench.scratch.path())?;
    }
    let Way { node, log, .. } = way;
    node.stop()?;
    let took = policy_times(&fs::read_to_string(log)?);
    Ok(Figure::against("policy.route", median(took), "us", 25.0))
}

pub(super) fn stream(bench: &Bench) -> Result<Figure> {
    let way = Way::start(bench)?;
    let mut added = Vec::new();
    for _ in 0..bench.rounds {
        bench.processes.go_on()?;
        let [direct, own] = [way.direct_load(bench, "stream"), way.node_load(bench, "stream")]
            .map(|mut load| number(&ask(load.arg(STREAMS))?, "p50_us"));
        added.push(own? - direct?);
    }
    way.node.stop()?;
    Ok(Figure::against("model.stream", median(added), "us", 100.0))
}

/// Measured once for both figures.
fn chats(bench: &Bench) -> Result<Chats> {
    if let Some(chats) = bench.chats.get() {
        return Ok(*chats);
    }
    let way = Way::start(bench)?;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        bench.processes.go_on()?;
        let seconds = bench.each.as_secs().to_string();
        let [direct, own] = [way.direct_load(bench, "chats"), way.node_load(bench, "chats")]
            .map(|mut load| open_loop(load.args([RATE, &seconds])));
        let (direct, own) = (direct?, own?);
        p50.push(number(&own, "p50_us")? - number(&direct, "p50_us")?);
        p99.push(number(&own, "p99_us")? - number(&direct, "p99_us")?);
    }
    way.node.stop()?;
    Ok(*bench.chats.get_or_init(|| Chats { p50: median(p50), p99: median(p99) }))
}

impl Way {
    fn start(bench: &Bench) -> Result<Self> {
        let mut command = pinned(SERVER_CORE);
        command.arg(bench.checkout.release("model-load")).arg("upstream");
        let upstream = bench.processes.start(command, bench.scratch.path().join("upstream.log"))?;
        let root = upstream.line_after("listening on ", Duration::from_secs(10))?;
        let direct = format!("{root}/v1");
        let data = tempfile::tempdir_in(bench.scratch.path())?.keep();
        let (config, log) = (data.with_extension("toml"), data.with_extension("log"));
        fs::write(&config, configuration(&direct))?;
        let mut command = pinned(SERVER_CORE);
        command.arg(bench.checkout.sophia()).args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        command.arg("--config").arg(&config);
        let node = Node::start(&bench.processes, command, log.clone())?;
        node.upload(POLICY, &bench.guests.path(POLICY))?.ok()?;
        node.put("/v1/budgets/tenant", &json!({ "limit": "$1000" }))?.ok()?;
        node.put("/v1/budgets/keys/operator", &json!({ "limit": "$1000" }))?.ok()?;
        Ok(Self { node, _upstream: upstream, direct, log })
    }

    fn direct_load(&self, bench: &Bench, what: &str) -> Command {
        load(bench, [what, &self.direct, "none", "m"])
    }

    fn node_load(&self, bench: &Bench, what: &str) -> Command {
        load(bench, [what, &format!("{}/v1", self.node.url), &self.node.key, "fast"])
    }
}

fn configuration(url: &str) -> String {
    format!(
        r#"
        [models]
        policy = "{POLICY}"
        [[models.upstream]]
        name = "here"
        url = "{url}"
        kind = "worker"
        model = [{{ id = "m", classes = ["fast"], context_tokens = 4096, price = {{ input = "$1", output = "$2" }} }}]
        "#
    )
}

fn pinned(core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]);
    command
}

fn load(bench: &Bench, words: [&str; 4]) -> Command {
    let mut command = pinned(LOAD_CORE);
    command.arg(bench.checkout.release("model-load")).args(words);
    command
}

/// A round of the open loop. A chat that failed or was not sent makes the round worth nothing.
fn open_loop(load: &mut Command) -> Result<Value> {
    let said = ask(load)?;
    let [failed, dropped] = ["failed", "dropped"].map(|name| number(&said, name));
    ensure!(failed? == 0.0 && dropped? == 0.0, "chats failed or were not sent: {said}");
    eprintln!("  {said}");
    Ok(said)
}

fn ask(load: &mut Command) -> Result<Value> {
    let said = load.read()?;
    serde_json::from_str(&said).with_context(|| format!("the load said no figures:\n{said}"))
}

fn number(said: &Value, name: &str) -> Result<f64> {
    said.get(name).and_then(Value::as_f64).with_context(|| format!("no {name} in {said}"))
}

/// From access lines: the node's own measurement, in whole microseconds.
fn policy_times(log: &str) -> Vec<f64> {
    let lines = log.lines().filter(|line| line.contains(" route=models.chat "));
    let times = lines.filter_map(|line| line.split_once(" policy_us=")?.1.split(' ').next()?.parse().ok());
    times.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_policy_took_from_access_lines() {
        let log = "x INFO access: POST /v1/chat/completions 200 route=models.chat wall_us=9 policy_us=14 model=m\n\
                   x INFO access: GET /v1/models 200 route=models.list wall_us=9 policy_us=99\n";
        assert_eq!(policy_times(log), [14.0]);
    }
}
