//! `sophia swarm`: runs patterns and shows how they do.

mod progress;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use sophia_domain::PluginName;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    Failure,
    client::{Client, segment},
    events::Events,
    input,
    run_view::{Record, seconds},
    show::{Show, table},
};
use progress::Progress;

#[derive(Debug, Subcommand)]
pub(crate) enum SwarmCommand {
    /// Run a pattern and wait for its outcome
    Run(RunArgs),
    /// List runs, newest first
    List {
        /// Only of this pattern
        #[arg(long)]
        pattern: Option<PluginName>,
        /// Only those that are running, succeeded, failed or cancelled
        #[arg(long)]
        status: Option<String>,
        /// Most runs
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show a run: how it ended, what came of it, what it cost
    Show {
        /// The run
        id: String,
    },
    /// End a run
    Cancel {
        /// The run
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The pattern
    pattern: PluginName,
    /// Its arguments: JSON, `@FILE`, or `-` for standard input
    #[arg(long, default_value = "{}", value_name = "JSON")]
    arguments: String,
    /// The most that the run may cost, such as `$0.10`
    #[arg(long, value_name = "USD")]
    budget: Option<String>,
    /// Leave the run to itself, and print its id
    #[arg(long)]
    no_wait: bool,
}

const EXAMPLES: &str = "Examples:
  sophia swarm run code-review --arguments @task.json --budget '$0.10'
  git diff HEAD~1 | jq -Rs '{diff: .}' | sophia swarm run code-review --arguments -
  sophia swarm run debate --arguments '{\"question\": \"tabs?\"}' --no-wait

Ctrl-C cancels the run; a second one leaves it to itself.
Exit codes: 0 succeeded, 1 failed, cancelled or refused, 2 wrong usage, 3 the node cannot be reached";

#[derive(Deserialize)]
struct RunList {
    runs: Vec<Record>,
}

pub(super) async fn run(command: SwarmCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        SwarmCommand::Run(args) => start(args, client, show).await,
        SwarmCommand::List { pattern, status, limit } => {
            let mut path = format!("/v1/runs?limit={limit}");
            let pattern = pattern.map(|pattern| pattern.to_string());
            for (name, value) in [("pattern", pattern), ("status", status)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", segment(&value)));
                }
            }
            show.answer(client.get(&path).await?, |list: RunList| rows(&list.runs))
        }
        SwarmCommand::Show { id } => show.answer(client.get(&path(&id)).await?, |record: Record| whole(&record)),
        SwarmCommand::Cancel { id } => {
            let answer = client.post(&format!("{}/cancel", path(&id)), &json!({})).await?;
            show.answer(answer, |record: Record| record.end())
        }
    }
}

async fn start(args: RunArgs, client: &Client, show: Show) -> Result<(), Failure> {
    let arguments = input::json(&args.arguments)?;
    let body = match args.budget {
        Some(budget) => json!({ "arguments": arguments, "budget": budget }),
        None => json!({ "arguments": arguments }),
    };
    // From here on, so that no run is begun and then left by a Ctrl-C that nobody heard.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let started = client.post(&format!("/v1/swarms/{}/runs", args.pattern), &body).await?;
    if args.no_wait {
        return show.answer(started, |record: Record| record.id);
    }
    let record: Record = read(started)?;
    follow(client, &record.id, &mut interrupts).await?;
    let answer = client.get(&path(&record.id)).await?;
    let record: Record = read(answer.clone())?;
    if let Show::Json = show {
        show.json(&answer)?;
    } else if let Some(outcome) = &record.outcome {
        show.json(&outcome.content)?;
    }
    match record.failure() {
        Some(failure) => Err(anyhow::anyhow!(failure).into()),
        None => Ok(()),
    }
}

/// Until the run has ended. Ctrl-C cancels it, and a second one leaves.
async fn follow(client: &Client, id: &str, interrupts: &mut Signal) -> Result<(), Failure> {
    let mut progress = Progress::new(id);
    let watching = async {
        let mut events = Events::of(client, id);
        while let Some((_, event)) = events.next().await? {
            progress.saw(&event);
        }
        Ok::<_, Failure>(())
    };
    let mut watching = std::pin::pin!(watching);
    tokio::select! {
        watched = &mut watching => return watched,
        _ = interrupts.recv() => {}
    }
    eprintln!("cancelling {id}; press Ctrl-C again to leave it to itself");
    let cancelled = async {
        client.post(&format!("{}/cancel", path(id)), &json!({})).await?;
        watching.await
    };
    tokio::select! {
        cancelled = cancelled => cancelled,
        _ = interrupts.recv() => {
            Err(anyhow::anyhow!("the run goes on; see how it does: sophia swarm show {id}").into())
        }
    }
}

fn path(id: &str) -> String {
    format!("/v1/runs/{}", segment(id))
}

fn read(answer: Value) -> Result<Record, Failure> {
    use anyhow::Context;
    Ok(serde_json::from_value(answer).context("the answer is of another version than this client")?)
}

fn rows(runs: &[Record]) -> String {
    let rows = runs.iter().map(|run| {
        [
            run.id.clone(),
            run.pattern.clone(),
            run.status.clone(),
            run.started_at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default(),
            run.duration_ms.map(seconds).unwrap_or_default(),
            run.spent.cost.to_string(),
        ]
    });
    table(["ID", "PATTERN", "STATUS", "STARTED (UTC)", "TOOK", "COST"], rows)
}

fn whole(record: &Record) -> String {
    let mut text = record.end();
    if let Some(failure) = record.failure() {
        text.push_str(&format!("\n{failure}"));
    }
    if let Some(outcome) = &record.outcome {
        let content = serde_json::to_string_pretty(&outcome.content).unwrap_or_default();
        text.push_str(&format!("\n{content}"));
    }
    text
}
