//! The command line: what was typed, and how it ends.
//!
//! `serve` runs a node; everything else is a client of one, over the same HTTP that anybody may
//! speak, or works on files beside no node at all (`plugin new|build|check`).

mod budget;
mod client;
mod connection;
mod connector;
mod cost;
mod debug;
mod events;
mod failure;
mod input;
mod key;
mod limit;
mod models;
mod plugin;
mod policy;
mod run_view;
mod secret;
mod show;
mod swarm;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use url::Url;

use crate::serve::{self, ServeArgs};
use client::Client;
use failure::{Failure, exit_code};
use show::Show;

/// An edge plugin host for AI systems: upload a .wasm, grant it, call it.
#[derive(Debug, Parser)]
#[command(name = "sophia", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    node: NodeArgs,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 the node cannot be reached, \
                          4 uploaded and pending until granted";

/// Which node a client speaks to, and how it shows what comes back.
#[derive(Debug, Args)]
struct NodeArgs {
    /// The node
    #[arg(
        long,
        global = true,
        env = "SOPHIA_SERVER",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    server: Url,
    /// Its key; SOPHIA_OPERATOR_KEY is taken where this is not given
    #[arg(long, global = true, env = "SOPHIA_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// Print the node's answer as JSON, and an error as one line of JSON on standard error
    #[arg(long, global = true)]
    json: bool,
}

impl NodeArgs {
    fn show(&self) -> Show {
        Show::of(self.json)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Serve(ServeArgs),
    /// Make, check, upload and manage plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Manage connections: accounts at vendors
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    /// Manage secrets; a value goes in and never comes out
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Say who may call a node, and what they may do
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Call a connector
    #[command(subcommand)]
    Connector(connector::ConnectorCommand),
    /// Call a policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// List models, and fetch the weights of the worker
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Run patterns
    #[command(subcommand)]
    Swarm(swarm::SwarmCommand),
    /// See what happened in a run
    #[command(subcommand)]
    Debug(debug::DebugCommand),
    /// Say what model calls cost
    #[command(subcommand)]
    Cost(cost::CostCommand),
    /// Limit what may be spent
    #[command(subcommand)]
    Budget(budget::BudgetCommand),
    /// Limit what the tenant and its keys may use in a time
    #[command(subcommand)]
    Limit(limit::LimitCommand),
    /// Print completions for a shell
    Completions {
        /// Which
        shell: Shell,
    },
}

/// Runs what was typed. Wrong usage ends here, with clap's own text and code 2.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let show = cli.node.show();
    let done = match cli.command {
        Command::Serve(args) => return exit_code(serve::main(args).map_err(Failure::from), show),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sophia", &mut std::io::stdout());
            Ok(())
        }
        Command::Models(models::ModelsCommand::Pull(args)) => {
            return exit_code(models::pull(&args, show), show);
        }
        command => run(cli.node, command),
    };
    exit_code(done.map(|()| ExitCode::SUCCESS), show)
}

fn run(node: NodeArgs, command: Command) -> Result<(), Failure> {
    let show = node.show();
    let key = node.key.or_else(|| std::env::var("SOPHIA_OPERATOR_KEY").ok()).filter(|key| !key.is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::new(node.server, key)?;
        match command {
            Command::Plugin(command) => plugin::run(command, &client, show).await,
            Command::Connection(command) => connection::run(command, &client, show).await,
            Command::Secret(command) => secret::run(command, &client, show).await,
            Command::Key(command) => key::run(command, &client, show).await,
            Command::Connector(command) => connector::run(command, &client, show).await,
            Command::Policy(command) => policy::run(command, &client, show).await,
            Command::Models(_) => models::list(&client, show).await,
            Command::Swarm(command) => swarm::run(command, &client, show).await,
            Command::Debug(command) => debug::run(command, &client, show).await,
            Command::Cost(command) => cost::run(command, &client, show).await,
            Command::Budget(command) => budget::run(command, &client, show).await,
            Command::Limit(command) => limit::run(command, &client, show).await,
            Command::Serve(_) | Command::Completions { .. } => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(words: &[&str], expected: Expect) {
        let typed = Cli::try_parse_from(["sophia"].iter().chain(words));
        expected.assert_eq(&typed.unwrap_err().to_string());
    }

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn says_what_it_does() {
        check(
            &["--help"],
            expect![[r#"
                An edge plugin host for AI systems: upload a .wasm, grant it, call it

                Usage: sophia [OPTIONS] <COMMAND>

                Commands:
                  serve        Run a node
                  plugin       Make, check, upload and manage plugins
                  connection   Manage connections: accounts at vendors
                  secret       Manage secrets; a value goes in and never comes out
                  key          Say who may call a node, and what they may do
                  connector    Call a connector
                  policy       Call a policy
                  models       List models, and fetch the weights of the worker
                  swarm        Run patterns
                  debug        See what happened in a run
                  cost         Say what model calls cost
                  budget       Limit what may be spent
                  limit        Limit what the tenant and its keys may use in a time
                  completions  Print completions for a shell
                  help         Print this message or the help of the given subcommand(s)

                Options:
                      --server <URL>  The node [env: SOPHIA_SERVER] [default: http://127.0.0.1:8080]
                      --key <KEY>     Its key; SOPHIA_OPERATOR_KEY is taken where this is not given [env:
                                      SOPHIA_KEY]
                      --json          Print the node's answer as JSON, and an error as one line of JSON on standard
                                      error
                  -h, --help          Print help
                  -V, --version       Print version

                Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 the node cannot be reached, 4 uploaded and
                pending until granted
            "#]],
        );
    }

    #[test]
    fn says_what_a_command_takes() {
        check(
            &["plugin", "push", "--help"],
            expect![[r#"
                Upload a component

                Usage: sophia plugin push [OPTIONS] <FILE>

                Arguments:
                  <FILE>  The component

                Options:
                      --name <NAME>      The plugin; the name in its manifest, else that of the file, where not
                                         given
                      --server <URL>     The node [env: SOPHIA_SERVER] [default: http://127.0.0.1:8080]
                      --key <KEY>        Its key; SOPHIA_OPERATOR_KEY is taken where this is not given [env:
                                         SOPHIA_KEY]
                      --manifest <FILE>  A manifest for a component that has none inside
                      --grant            Allow all that it asks for
                      --json             Print the node's answer as JSON, and an error as one line of JSON on
                                         standard error
                  -h, --help             Print help
            "#]],
        );
    }
}
