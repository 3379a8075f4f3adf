use sophia_domain::{KeyId, PluginName, RunId, TenantId, Tokens, Usd};
use sqlx::FromRow;

use super::{ChargeFilter, to_count, to_usd};
use crate::{Store, StoreError, statement::Statement};

/// What charges can be added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Whose money it is.
    Tenant,
    /// The caller's key.
    Key,
    /// The plugin that asked.
    Plugin,
    /// The run.
    Run,
    /// The model that answered.
    Model,
    /// The class that was asked for.
    Class,
}

/// The sum of the charges that agree in every dimension they were added up by. Other dimensions
/// are none, as are the plugin and the run of charges that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Whose money it is.
    pub tenant: Option<TenantId>,
    /// The caller's key.
    pub key: Option<KeyId>,
    /// The plugin that asked.
    pub plugin: Option<PluginName>,
    /// The run.
    pub run: Option<RunId>,
    /// The model that answered.
    pub model: Option<String>,
    /// The class that was asked for.
    pub class: Option<String>,
    /// How many charges.
    pub n_charges: u64,
    /// What they used.
    pub tokens: Tokens,
    /// What they cost.
    pub cost: Usd,
    /// The part of the cost whose usage was worked out here, and not reported.
    pub estimated_cost: Usd,
}

#[derive(FromRow)]
struct Raw {
    tenant: Option<String>,
    key: Option<String>,
    plugin: Option<String>,
    run: Option<String>,
    model: Option<String>,
    class: Option<String>,
    n_charges: i64,
    input_tokens: i64,
    cached_tokens: i64,
    output_tokens: i64,
    cost: i64,
    estimated_cost: i64,
}

const DIMENSIONS: [Dimension; 6] =
    [Dimension::Tenant, Dimension::Key, Dimension::Plugin, Dimension::Run, Dimension::Model, Dimension::Class];

/// Most sums of one answer. A report names the dearest; who wants all narrows the filter.
const MAX_TOTALS: u32 = 10_000;

impl Store {
    /// The sums of charges by some dimensions, the dearest first, at most 10,000. By none it is
    /// one sum of all. Always computed from the rows, never kept beside them.
    pub async fn totals(&self, filter: &ChargeFilter, by: &[Dimension]) -> Result<Vec<Total>, StoreError> {
        let mut statement = Statement::new("SELECT ");
        for dimension in DIMENSIONS {
            let column = dimension.column();
            let source = if by.contains(&dimension) { column } else { "CAST(NULL AS TEXT)" };
            statement.push(source).push(" AS ").push(column).push(", ");
        }
        statement.push(
            "COUNT(*) AS n_charges, CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT) AS input_tokens,
             CAST(COALESCE(SUM(cached_tokens), 0) AS BIGINT) AS cached_tokens,
             CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT) AS output_tokens,
             CAST(COALESCE(SUM(cost_micros), 0) AS BIGINT) AS cost,
             CAST(COALESCE(SUM(CASE WHEN estimated = 1 THEN cost_micros ELSE 0 END), 0) AS BIGINT) AS estimated_cost
             FROM charges",
        );
        filter.push_to(&mut statement)?;
        // By their places: a name would mean the column of the table, which is not always summed by.
        let places: Vec<_> = (1..).zip(DIMENSIONS).filter(|(_, dimension)| by.contains(dimension)).collect();
        let mut separator = " GROUP BY ";
        for (place, _) in &places {
            statement.push(separator).push(&place.to_string());
            separator = ", ";
        }
        statement.push(" ORDER BY cost DESC");
        for (place, _) in &places {
            statement.push(", ").push(&place.to_string());
        }
        statement.push(" LIMIT ").bind(i64::from(MAX_TOTALS))?;
        let rows: Vec<Raw> = statement.query_as().fetch_all(self.pool()).await?;
        rows.into_iter().map(Total::try_from).collect()
    }
}

impl Dimension {
    fn column(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::Plugin => "plugin",
            Self::Run => "run",
            Self::Model => "model",
            Self::Class => "class",
        }
    }
}

impl TryFrom<Raw> for Total {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let tenant = raw.tenant.map(|name| name.parse()).transpose();
        let plugin = raw.plugin.map(|name| name.parse()).transpose();
        Ok(Self {
            tenant: tenant.map_err(|_| StoreError::Unreadable("tenant"))?,
            key: raw.key.map(KeyId::from),
            plugin: plugin.map_err(|_| StoreError::Unreadable("plugin name"))?,
            run: raw.run.map(RunId::from),
            model: raw.model,
            class: raw.class,
            n_charges: to_count(raw.n_charges)?,
            tokens: Tokens {
                input: to_count(raw.input_tokens)?,
                cached: to_count(raw.cached_tokens)?,
                output: to_count(raw.output_tokens)?,
            },
            cost: to_usd(raw.cost)?,
            estimated_cost: to_usd(raw.estimated_cost)?,
        })
    }
}
