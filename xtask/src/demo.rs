//! Everything once, on real sockets: build, serve, upload, grant, call, refuse, swap, review.
//!
//! It does what a person would do, with the `sophia` command line against a real node. HubSpot's
//! part is played by the stand-in that the tests use, behind TLS under HubSpot's own name. The
//! models are real and small, on this machine's CPU.

mod diff;
mod models;
mod second;
mod steps;
mod story;
mod traffic;

use std::{fs, path::PathBuf, process::Command, thread, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    checkout::Checkout,
    command::Run as _,
    guests::Guests,
    node::Node,
    process::{Processes, Running},
    step::step,
    worker,
};
use story::Story;

/// See it work: from the build to a table of what happened and how long it took.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask demo            the first run builds everything, later ones take some two minutes
  cargo xtask demo --keep     leave the node and the stand-in running until Ctrl-C
  cargo xtask demo --json     the table as one JSON object a line, on stdout")]
pub(crate) struct Args {
    /// Leave everything running until Ctrl-C, and say how to reach it.
    #[arg(long)]
    keep: bool,
    /// What happened, as one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// What the steps of the demo work with. The processes end with it, the folder last.
struct Stage {
    node: Node,
    /// The token that the stand-in lets in. Random in a real account; here it only has to be known.
    token: String,
    guests: PathBuf,
    /// The checkout, whose last commit is reviewed.
    root: PathBuf,
    sophia: PathBuf,
    processes: Processes,
    _hubspot: Running,
    _worker: Running,
    dir: TempDir,
}

const PLUGINS: [&str; 4] = ["hubspot", "cost-aware", "hello", "code-review"];
/// A name under which a vendor's private-app tokens are recognised by those who scan for leaks.
const TOKEN: &str = "pat-eu1-0e6f5a1c-demo-demo-demo-2b7c9d4e8f10";

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<()> {
    let processes = Processes::watched()?;
    build(checkout)?;
    let weights = worker::ready(checkout)?;
    processes.go_on()?;
    let mut story = Story::default();
    let stage = Stage::set(checkout, &processes, weights, &mut story)?;
    steps::play(&stage, &mut story)?;
    story.tell(args.json)?;
    stage.say_what_next(args.keep);
    while args.keep && !processes.is_interrupted() {
        thread::sleep(Duration::from_millis(50));
    }
    stage.clear()
}

fn build(checkout: &Checkout) -> Result<()> {
    step("build the host and the stand-in", || {
        checkout.cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]).run()
    })?;
    step("build the plugins", || Guests::new(checkout, PLUGINS.map(str::to_owned).to_vec()).build_all())
}

impl Stage {
    /// Starts HubSpot's stand-in, a worker, and a node that knows both.
    fn set(
        checkout: &Checkout,
        processes: &Processes,
        (worker, weights): (PathBuf, PathBuf),
        story: &mut Story,
    ) -> Result<Self> {
        let dir = tempfile::tempdir().context("no temporary folder")?;
        let at = |name: &str| dir.path().join(name);
        let hubspot = story.step("start HubSpot's stand-in", |says| {
            let mut command = Command::new(checkout.release("standin"));
            command.arg(TOKEN).arg(at("authority.pem"));
            let running = processes.start(command, at("hubspot.log"))?;
            let address = running.line_after("listening on ", Duration::from_secs(10))?;
            says(format!("TLS as api.hubapi.com on {address}"));
            Ok((running, address))
        })?;
        let worker = story.step("start a worker", |says| {
            let mut command = Command::new(worker);
            command.args(["serve", "--listen", "127.0.0.1:0", "--models"]).arg(weights);
            let running = processes.start(command, at("worker.log"))?;
            let url = running.line_after("sophia-worker listening on ", Duration::from_secs(60))?;
            says(format!("a chat model of 135 M parameters and an embedding model, on the CPU, {url}"));
            Ok((running, url))
        })?;
        let config = config(&at("authority.pem"), &hubspot.1) + &models::config(&worker.1);
        fs::write(at("sophia.toml"), config)?;
        let node = story.step("start the node", |says| {
            let mut command = Command::new(checkout.sophia());
            command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(at("sophia.toml"));
            command.arg("--data").arg(at("data"));
            let node = Node::start(processes, command, at("node.log"))?;
            says(format!("{}, ready after {} ms, operator key made", node.url, node.ready_after.as_millis()));
            Ok(node)
        })?;
        Ok(Self {
            node,
            token: TOKEN.to_owned(),
            guests: checkout.target.join("guests"),
            root: checkout.root.clone(),
            sophia: checkout.sophia(),
            processes: processes.clone(),
            _hubspot: hubspot.0,
            _worker: worker.0,
            dir,
        })
    }

    /// The `sophia` command line against this node, for programs.
    fn sophia(&self, args: &[&str]) -> Command {
        let mut command = self.people(args);
        command.arg("--json");
        command
    }

    /// The same, for people.
    fn people(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.sophia);
        command.args(args).env("SOPHIA_SERVER", &self.node.url).env("SOPHIA_KEY", &self.node.key);
        command
    }

    fn say_what_next(&self, keeps_running: bool) {
        let sophia = self.sophia.display();
        if !keeps_running {
            eprintln!("\nNext: `cargo xtask demo --keep` leaves this running, to try it yourself.");
            eprintln!("      README.md shows the same with your own node, and the smallest connector.");
            return;
        }
        eprintln!("\nIt runs until Ctrl-C. In another terminal:");
        eprintln!("  export SOPHIA_SERVER={} SOPHIA_KEY={}", self.node.url, self.node.key);
        eprintln!("  {sophia} plugin list");
        eprintln!("  {sophia} connector read hubspot demo contacts --limit 5");
        eprintln!("  {sophia} plugin logs hubspot");
        eprintln!("  {sophia} swarm list");
        eprintln!("  {sophia} cost report --by plugin --by model");
        eprintln!(
            "  OPENAI_BASE_URL=$SOPHIA_SERVER/v1 OPENAI_API_KEY=$SOPHIA_KEY python3   # the openai package, model \"fast\""
        );
        eprintln!("  curl -H \"authorization: Bearer $SOPHIA_KEY\" $SOPHIA_SERVER/x/hello/");
        eprintln!("  curl $SOPHIA_SERVER/metrics");
        eprintln!("Its log is {}.", self.dir.path().join("node.log").display());
    }

    /// Drains the node, stops the stand-in, removes the folder.
    fn clear(self) -> Result<()> {
        self.node.stop()
    }
}

/// The operator's choice that makes the demo possible: connections to HubSpot's name go to the
/// stand-in, and its authority is trusted. The name on the certificate is still checked.
fn config(authority: &std::path::Path, hubspot: &str) -> String {
    format!(
        "[egress]\nca_file = {:?}\n\n[egress.connect_to]\n\"api.hubapi.com:443\" = {hubspot:?}\n",
        authority.display().to_string()
    )
}
