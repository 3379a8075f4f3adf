//! `sophia limit`: what the tenant and its keys may use in a time.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use sophia_domain::Quota;

use super::{
    Failure,
    client::{Client, segment},
    show::{Show, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum LimitCommand {
    /// List the limits, and what is used of them now
    List,
    /// Set limits, in place of those that were set before
    #[command(subcommand, after_help = SET_EXAMPLES)]
    Set(SetCommand),
    /// Take limits back: the node's defaults hold then
    #[command(subcommand, after_help = "Example: sophia limit clear key ci")]
    Clear(ClearCommand),
}

const SET_EXAMPLES: &str = "A limit is [CLASS.]KIND=AMOUNT[/TIME][,open|,closed]:
  KIND   requests, concurrent, tokens or cost
  CLASS  plugins, connectors, runs, models or control; without one, all routes together
  TIME   s, min, h or day, or such as 10s and 30d
  open   while what all nodes share is lost, each counts by itself (requests and concurrent)
  closed it refuses then (tokens and cost)

Examples:
  sophia limit set key ci requests=60/min concurrent=10 tokens=100k/h cost='$5/day'
  sophia limit set key app models.requests=5/s requests=1000/h
  sophia limit set tenant requests=6000/min cost='$100/day'";

#[derive(Debug, Subcommand)]
pub(crate) enum SetCommand {
    /// Of the tenant, over all its keys
    #[command(after_help = "Example: sophia limit set tenant requests=6000/min cost='$100/day'")]
    Tenant {
        /// Such as `requests=60/min`
        #[arg(required = true, value_name = "LIMIT")]
        limits: Vec<Quota>,
    },
    /// Of a key
    #[command(after_help = "Example: sophia limit set key ci requests=60/min concurrent=10")]
    Key {
        /// The key's name; `public` for requests without a key
        name: String,
        /// Such as `requests=60/min`
        #[arg(required = true, value_name = "LIMIT")]
        limits: Vec<Quota>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClearCommand {
    /// Of the tenant
    Tenant,
    /// Of a key
    Key {
        /// The key's name
        name: String,
    },
}

#[derive(Deserialize)]
struct LimitList {
    limits: Vec<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    scope: String,
    name: String,
    limits: Vec<Limit>,
}

#[derive(Deserialize)]
struct Limit {
    limit: Quota,
    is_default: bool,
    used: u64,
    held: u64,
    left: u64,
    reset_seconds: u64,
}

pub(super) async fn run(command: LimitCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        LimitCommand::List => show.answer(client.get("/v1/limits").await?, |list: LimitList| rows(list.limits)),
        LimitCommand::Set(command) => {
            let (path, limits) = match command {
                SetCommand::Tenant { limits } => (path(None), limits),
                SetCommand::Key { name, limits } => (path(Some(&name)), limits),
            };
            let answer = client.put(&path, &json!({ "limits": limits })).await?;
            show.answer(answer, |scope: Scope| rows(vec![scope]))
        }
        LimitCommand::Clear(command) => {
            let path = match &command {
                ClearCommand::Tenant => path(None),
                ClearCommand::Key { name } => path(Some(name)),
            };
            client.delete(&path).await?;
            show.done("the limits are taken back")
        }
    }
}

fn path(key: Option<&str>) -> String {
    key.map_or_else(|| "/v1/limits/tenant".to_owned(), |key| format!("/v1/limits/keys/{}", segment(key)))
}

fn rows(scopes: Vec<Scope>) -> String {
    let limits = scopes.into_iter().flat_map(|Scope { scope, name, limits }| {
        let of = format!("{scope} {name}");
        limits.into_iter().map(move |limit| limit.row(of.clone()))
    });
    table(["OF", "LIMIT", "USED", "HELD", "LEFT", "WHOLE IN"], limits)
}

impl Limit {
    fn row(self, of: String) -> [String; 6] {
        let Self { limit, is_default, used, held, left, reset_seconds } = self;
        let shown = |amount: u64| Quota { amount, ..limit }.shown_amount();
        let default = if is_default { " (default)" } else { "" };
        [of, format!("{limit}{default}"), shown(used), shown(held), shown(left), format!("{reset_seconds} s")]
    }
}
