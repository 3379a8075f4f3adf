//! `sophia cost`: what was spent.

use clap::{Subcommand, ValueEnum};
use serde::Deserialize;
use sophia_domain::{PluginName, Span};

use super::{
    Failure,
    client::{Client, segment},
    show::{Amount, Show, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum CostCommand {
    /// Sum up what model calls cost, the dearest first
    #[command(after_help = EXAMPLES)]
    Report {
        /// What to sum up by; repeatable
        #[arg(long, value_enum, default_values = ["model"])]
        by: Vec<By>,
        /// Only of the last, such as `24h` or `30m`
        #[arg(long, value_name = "TIME")]
        since: Option<Span>,
        /// Only of this run
        #[arg(long, value_name = "ID")]
        run: Option<String>,
        /// Only of this plugin
        #[arg(long)]
        plugin: Option<PluginName>,
        /// Only of this model
        #[arg(long)]
        model: Option<String>,
    },
}

const EXAMPLES: &str = "Examples:
  sophia cost report                          by model, of all time
  sophia cost report --by key --since 24h
  sophia cost report --by plugin --by model --json";

/// What charges can be added up by.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum By {
    /// The model that answered
    Model,
    /// The class that was asked for
    Class,
    /// The caller's key
    Key,
    /// The plugin that asked
    Plugin,
    /// The run
    Run,
    /// Whose money it is
    Tenant,
}

#[derive(Deserialize)]
struct Costs {
    costs: Vec<Cost>,
    total: Amount,
}

#[derive(Deserialize)]
struct Cost {
    model: Option<String>,
    class: Option<String>,
    key: Option<String>,
    plugin: Option<String>,
    run: Option<String>,
    tenant: Option<String>,
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost: Amount,
    estimated: Amount,
}

pub(super) async fn run(command: CostCommand, client: &Client, show: Show) -> Result<(), Failure> {
    let CostCommand::Report { by, since, run, plugin, model } = command;
    let words: Vec<&str> = by.iter().map(|by| by.word()).collect();
    let mut path = format!("/v1/costs?by={}", words.join(","));
    let filters = [
        ("since", since.map(|since| since.to_string())),
        ("run", run),
        ("plugin", plugin.map(|plugin| plugin.to_string())),
        ("model", model),
    ];
    for (name, value) in filters.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        path.push_str(&format!("&{name}={}", segment(&value)));
    }
    show.answer(client.get(&path).await?, |costs: Costs| rows(&by, costs))
}

impl By {
    fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Class => "class",
            Self::Key => "key",
            Self::Plugin => "plugin",
            Self::Run => "run",
            Self::Tenant => "tenant",
        }
    }

    fn of(self, cost: &Cost) -> &str {
        let name = match self {
            Self::Model => &cost.model,
            Self::Class => &cost.class,
            Self::Key => &cost.key,
            Self::Plugin => &cost.plugin,
            Self::Run => &cost.run,
            Self::Tenant => &cost.tenant,
        };
        name.as_deref().unwrap_or("-")
    }
}

fn rows(by: &[By], Costs { costs, total }: Costs) -> String {
    let head = by.iter().map(|by| by.word().to_uppercase()).collect::<Vec<_>>().join(" / ");
    let rows = costs.iter().map(|cost| {
        [
            by.iter().map(|by| by.of(cost)).collect::<Vec<_>>().join(" / "),
            cost.calls.to_string(),
            cost.input_tokens.to_string(),
            cost.output_tokens.to_string(),
            cost.cost.to_string(),
            cost.estimated.to_string(),
        ]
    });
    let table = table([&head, "CALLS", "INPUT", "OUTPUT", "COST", "OF IT ESTIMATED"], rows);
    format!("{table}\ntotal {total}")
}
