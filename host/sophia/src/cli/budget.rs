//! `sophia budget`: the most that the tenant, a key or a run may spend.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use sophia_domain::Usd;

use super::{
    Failure,
    client::{Client, segment},
    show::{Amount, Show, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// List the budgets that are set, and what is left of them
    List,
    /// Set the most that may ever be spent
    #[command(after_help = SET_EXAMPLES)]
    Set {
        /// Dollars, such as `5` or `0.25`
        limit: Usd,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Take a budget back: nothing limits its scope then
    #[command(after_help = "Example: sophia budget clear --of-key operator")]
    Clear {
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Let what a node may have spent when it died be spent again
    #[command(after_help = "Example: sophia budget release")]
    Release {
        #[command(flatten)]
        scope: ScopeArgs,
    },
}

const SET_EXAMPLES: &str = "Examples:
  sophia budget set 5                        all that the tenant spends, at most $5
  sophia budget set 0.50 --of-key operator   what is spent under one key
  sophia budget set 1 --of-run 01J9Z…        what one run spends";

/// Whose budget: the tenant's, if nothing is said.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ScopeArgs {
    /// Of a key, by its name
    #[arg(long, value_name = "NAME")]
    of_key: Option<String>,
    /// Of a run, by its id
    #[arg(long, value_name = "ID")]
    of_run: Option<String>,
}

#[derive(Deserialize)]
struct BudgetList {
    budgets: Vec<Budget>,
}

#[derive(Deserialize)]
struct Budget {
    scope: String,
    name: String,
    limit: Amount,
    spent: Amount,
    held: Amount,
    unreconciled: Amount,
    left: Amount,
}

#[derive(Deserialize)]
struct Released {
    released: Amount,
}

pub(super) async fn run(command: BudgetCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        BudgetCommand::List => show.answer(client.get("/v1/budgets").await?, |list: BudgetList| rows(list.budgets)),
        BudgetCommand::Set { limit, scope } => {
            let answer = client.put(&scope.path(), &json!({ "limit": limit.to_string() })).await?;
            show.answer(answer, |budget: Budget| {
                format!(
                    "the budget of {} {} is {}, of which {} is left",
                    budget.scope, budget.name, budget.limit, budget.left
                )
            })
        }
        BudgetCommand::Clear { scope } => {
            client.delete(&scope.path()).await?;
            show.done("the budget is taken back")
        }
        BudgetCommand::Release { scope } => {
            let answer = client.post(&format!("{}/release", scope.path()), &json!({})).await?;
            show.answer(answer, |done: Released| format!("{} can be spent again", done.released))
        }
    }
}

impl ScopeArgs {
    fn path(&self) -> String {
        match (&self.of_key, &self.of_run) {
            (Some(key), _) => format!("/v1/budgets/keys/{}", segment(key)),
            (None, Some(run)) => format!("/v1/budgets/runs/{}", segment(run)),
            (None, None) => "/v1/budgets/tenant".to_owned(),
        }
    }
}

fn rows(budgets: Vec<Budget>) -> String {
    let rows = budgets.into_iter().map(|budget| {
        let amounts = [budget.limit, budget.spent, budget.held, budget.unreconciled, budget.left];
        let [limit, spent, held, unreconciled, left] = amounts.map(|amount| amount.to_string());
        [format!("{} {}", budget.scope, budget.name), limit, spent, held, unreconciled, left]
    });
    table(["BUDGET", "LIMIT", "SPENT", "HELD", "UNRECONCILED", "LEFT"], rows)
}
