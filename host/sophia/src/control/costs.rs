//! `/v1/costs`: what was spent, summed up from the charges.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sophia_domain::{KeyId, PluginName, Problem, ProblemDocument, RunId, Span, Step, Usd};
use sophia_ledger::{ChargeFilter, Dimension, Total};

use super::{
    Refusal,
    amount::Amount,
    budgets::problem,
    extract::{Params, Permitted, answer},
};
use crate::node::Node;

/// `?by=model,key&since=24h&run=…`: how charges are added up, and which of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Words of [`DIMENSIONS`], with commas between them. `model` if nothing is said.
    by: Option<String>,
    since: Option<String>,
    key: Option<String>,
    plugin: Option<PluginName>,
    run: Option<String>,
    model: Option<String>,
    class: Option<String>,
}

#[derive(Serialize)]
struct Costs {
    by: Vec<&'static str>,
    /// Charges from then on; all where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    costs: Vec<Cost>,
    /// Of all that are listed.
    total: Amount,
}

/// The sum of the charges that agree in every dimension that is said.
#[derive(Serialize)]
struct Cost {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    /// Calls of models, those that failed and cost nothing included.
    calls: u64,
    input_tokens: u64,
    cached_tokens: u64,
    output_tokens: u64,
    cost: Amount,
    /// The part whose usage was worked out here, and not reported.
    estimated: Amount,
}

const DIMENSIONS: [(&str, Dimension); 6] = [
    ("model", Dimension::Model),
    ("class", Dimension::Class),
    ("key", Dimension::Key),
    ("plugin", Dimension::Plugin),
    ("run", Dimension::Run),
    ("tenant", Dimension::Tenant),
];

/// The sums, the dearest first.
pub(super) async fn costs(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Params(asked): Params<Asked>,
) -> Result<Response, Refusal> {
    let by = dimensions(asked.by.as_deref().unwrap_or("model"))?;
    let since = asked.since.as_deref().map(since).transpose()?;
    let filter = ChargeFilter {
        tenant: Some(caller.tenant),
        key: asked.key.map(KeyId::from),
        plugin: asked.plugin,
        run: asked.run.map(RunId::from),
        model: asked.model,
        class: asked.class,
        from: since,
        to: None,
    };
    let (words, dimensions): (Vec<_>, Vec<_>) = by.into_iter().unzip();
    let totals = node.ledger.totals(&filter, &dimensions).await.map_err(|error| problem(&error))?;
    let total = totals.iter().try_fold(Usd::ZERO, |sum, total| sum.checked_add(total.cost)).unwrap_or(Usd::MAX);
    let costs = totals.into_iter().map(Cost::from).collect();
    answer(200, &Costs { by: words, since, costs, total: total.into() })
}

fn dimensions(text: &str) -> Result<Vec<(&'static str, Dimension)>, ProblemDocument> {
    let find = |word: &str| DIMENSIONS.into_iter().find(|(known, _)| *known == word);
    text.split(',').map(|word| find(word).ok_or_else(|| wrong(&format!("`by` takes {}", known())))).collect()
}

fn known() -> String {
    DIMENSIONS.map(|(word, _)| word).join(", ")
}

fn since(text: &str) -> Result<Timestamp, ProblemDocument> {
    let span: Span = text.parse().map_err(|error: sophia_domain::UnitError| wrong(&format!("`since`: {error}")))?;
    let ago = SignedDuration::try_from(span.0).ok().and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    ago.ok_or_else(|| wrong("`since` lies before all time"))
}

fn wrong(detail: &str) -> ProblemDocument {
    Problem::caller(400, "invalid-query", "The query cannot be", detail).at(Step::Request)
}

impl From<Total> for Cost {
    fn from(total: Total) -> Self {
        Self {
            tenant: total.tenant.map(|name| name.to_string()),
            key: total.key.map(|name| name.to_string()),
            plugin: total.plugin.map(|name| name.to_string()),
            run: total.run.map(|name| name.to_string()),
            model: total.model,
            class: total.class,
            calls: total.n_charges,
            input_tokens: total.tokens.input,
            cached_tokens: total.tokens.cached,
            output_tokens: total.tokens.output,
            cost: total.cost.into(),
            estimated: total.estimated_cost.into(),
        }
    }
}
