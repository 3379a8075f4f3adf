//! `sophia models`: what can be asked for, and the weights of the worker on this machine.

use std::{
    io,
    path::PathBuf,
    process::{Command, ExitCode, ExitStatus},
};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Deserialize;

use super::{
    Failure,
    client::Client,
    show::{Show, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List what can be asked for: classes and models
    #[command(after_help = "Example: sophia models list --json")]
    List,
    /// Fetch the weights that `sophia-worker` serves on this machine, with `sophia-worker pull`
    #[command(after_help = "Examples:
  sophia models pull
  sophia models pull --models /var/lib/sophia/models")]
    Pull(PullArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Directory of the models [default: the worker's own, sophia-data/models]
    #[arg(long, env = "SOPHIA_MODELS", hide_env_values = true, value_name = "DIR")]
    models: Option<PathBuf>,
}

/// As OpenAI lists models.
#[derive(Deserialize)]
struct List {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    owned_by: String,
}

const WORKER: &str = "sophia-worker";

pub(super) async fn list(client: &Client, show: Show) -> Result<(), Failure> {
    show.answer(client.get("/v1/models").await?, |list: List| {
        let rows = list.data.into_iter().map(|Entry { id, owned_by }| {
            let kind = if owned_by == "sophia" { "class" } else { "model" };
            [id, kind.to_owned(), owned_by]
        });
        table(["NAME", "KIND", "FROM"], rows)
    })
}

/// Runs the worker's own command: what it prints is passed through, and its exit code.
pub(super) fn pull(args: &PullArgs, show: Show) -> Result<ExitCode, Failure> {
    let status = start(args).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::Failed(anyhow!(MISSING)),
        _ => Failure::Failed(anyhow!(error).context(format!("cannot start {WORKER}"))),
    })?;
    if status.success() {
        show.done("the weights are there: start `sophia-worker serve`")?;
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

const MISSING: &str = "`sophia-worker` is neither beside `sophia` nor in PATH: build it in the checkout with \
                       `cargo build --release --manifest-path worker/Cargo.toml`, and put it there";

/// Beside this binary first, so that both are of one release.
fn start(args: &PullArgs) -> io::Result<ExitStatus> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(WORKER)).filter(|path| path.is_file());
    let mut command = Command::new(beside.unwrap_or_else(|| WORKER.into()));
    command.arg("pull");
    if let Some(models) = &args.models {
        command.arg("--models").arg(models);
    }
    command.status()
}
