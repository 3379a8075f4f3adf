//! `sophia plugin`: from a new directory to a version that answers.

mod build;
mod check;
mod new;
mod package;
mod push;
mod shown;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use sophia_domain::{Digest, PluginName};
use sophia_registry::{GrantList, PluginEntry, RolledBack, Uploaded, VersionEntry};

use super::{Failure, client::Client, show::Show};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Write a plugin that builds, to go on from
    New(new::NewArgs),
    /// Build a plugin: one file, its manifest inside
    Build(build::BuildArgs),
    /// Say whether a node would take a plugin, and whether it asks for what it uses
    Check(check::CheckArgs),
    /// Upload a component
    Push(push::PushArgs),
    /// List plugins
    List,
    /// Show a plugin: its manifest, what it offers, its limits and grants
    Inspect {
        /// The plugin
        name: PluginName,
    },
    /// List a plugin's versions
    Versions {
        /// The plugin
        name: PluginName,
    },
    /// Allow what a version asks for, and let it answer
    Grant {
        /// The plugin
        name: PluginName,
        /// The version; the newest where not given
        #[arg(long, value_name = "DIGEST")]
        version: Option<Digest>,
        /// Allow this ask and decline those not named; repeatable. All are allowed where not given
        #[arg(long, value_name = "ASK")]
        only: Vec<String>,
        /// Show what was decided, and decide nothing
        #[arg(long, conflicts_with_all = ["version", "only"])]
        show: bool,
    },
    /// Let an earlier version answer
    Rollback {
        /// The plugin
        name: PluginName,
        /// The version; the one before where not given
        #[arg(long, value_name = "DIGEST")]
        to: Option<Digest>,
    },
    /// Show what a plugin logged
    Logs {
        /// The plugin
        name: PluginName,
        /// Most lines
        #[arg(long, default_value_t = 100)]
        lines: usize,
    },
    /// Remove a plugin with all its versions, grants and connections
    Delete {
        /// The plugin
        name: PluginName,
    },
}

#[derive(Deserialize)]
struct PluginList {
    plugins: Vec<PluginEntry>,
}

#[derive(Deserialize)]
struct VersionList {
    versions: Vec<VersionEntry>,
}

pub(super) async fn run(command: PluginCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        PluginCommand::New(args) => new::run(args, show),
        PluginCommand::Build(args) => build::run(args, show),
        PluginCommand::Check(args) => check::run(args, show),
        PluginCommand::Push(args) => push::run(args, client, show).await,
        PluginCommand::List => {
            show.answer(client.get("/v1/plugins").await?, |list: PluginList| shown::plugins(&list.plugins))
        }
        PluginCommand::Inspect { name } => show.json(&client.get(&format!("/v1/plugins/{name}")).await?),
        PluginCommand::Versions { name } => {
            let answer = client.get(&format!("/v1/plugins/{name}/versions")).await?;
            show.answer(answer, |list: VersionList| shown::versions(&list.versions))
        }
        PluginCommand::Grant { name, show: true, .. } => {
            let answer = client.get(&format!("/v1/plugins/{name}/grants")).await?;
            show.answer(answer, |list: GrantList| shown::grants(&list))
        }
        PluginCommand::Grant { name, version, only, .. } => {
            let only = (!only.is_empty()).then_some(only);
            let answer = client.post(&format!("/v1/plugins/{name}/grants"), &grant_body(version, only)).await?;
            show.answer(answer, |granted: Uploaded| shown::uploaded(&granted))
        }
        PluginCommand::Rollback { name, to } => {
            let answer = client.post(&format!("/v1/plugins/{name}/rollback"), &json!({ "to": to })).await?;
            show.answer(answer, |back: RolledBack| shown::rolled_back(&back))
        }
        PluginCommand::Logs { name, lines } => {
            let answer = client.get(&format!("/v1/plugins/{name}/logs?lines={lines}")).await?;
            show.answer(answer, |tail: shown::Tail| tail.to_string())
        }
        PluginCommand::Delete { name } => {
            client.delete(&format!("/v1/plugins/{name}")).await?;
            show.done(&format!("plugin {name} is gone"))
        }
    }
}

fn grant_body(version: Option<Digest>, only: Option<Vec<String>>) -> Value {
    json!({ "version": version, "only": only })
}
