use jiff::Timestamp;
use sophia_domain::{KeyId, PluginName, RunId, TenantId, Tokens, Usd};
use sqlx::{Any, FromRow, Transaction};

use super::{BudgetRow, budgets, to_column, to_count, to_usd};
use crate::{Store, StoreError, statement::Statement, transaction::Area};

/// What kind of model call was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChargeKind {
    /// Text from text.
    Completion,
    /// Vectors from texts.
    Embedding,
    /// An order of texts.
    Rerank,
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The true usage was reported.
    Settled,
    /// The hold was dropped: the call failed, was cancelled or cut.
    Abandoned,
    /// The worker reported more than was held, or more tokens than any model takes. What was
    /// held is billed, and somebody should look.
    OverHold,
}

/// What one model call cost, about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCharge {
    /// When the call ended.
    pub at: Timestamp,
    /// Whose money it is.
    pub tenant: TenantId,
    /// Under which key it was spent.
    pub key: KeyId,
    /// The plugin that asked; none where a caller did.
    pub plugin: Option<PluginName>,
    /// The run it was part of.
    pub run: Option<RunId>,
    /// The model that answered, or was to.
    pub model: String,
    /// The model class that was asked for.
    pub class: String,
    /// The kind of call.
    pub kind: ChargeKind,
    /// What it used.
    pub tokens: Tokens,
    /// What is billed; never more than `held`.
    pub cost: Usd,
    /// What was held for it.
    pub held: Usd,
    /// What the worker reported, where that was more than was held.
    pub claimed: Option<Usd>,
    /// Whether the usage was worked out here, and not reported.
    pub is_estimated: bool,
    /// How it ended.
    pub outcome: Outcome,
}

/// A charge that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeRow {
    /// Its place in the order of writing.
    pub id: u64,
    /// What was charged.
    pub charge: NewCharge,
}

/// Which charges are meant: those that have everything that is given.
#[derive(Debug, Clone, Default)]
pub struct ChargeFilter {
    /// Of this tenant; none means of all of them.
    pub tenant: Option<TenantId>,
    /// Under this key.
    pub key: Option<KeyId>,
    /// Asked for by this plugin.
    pub plugin: Option<PluginName>,
    /// Part of this run.
    pub run: Option<RunId>,
    /// Answered by this model.
    pub model: Option<String>,
    /// Asked for by this class, or by a model's name.
    pub class: Option<String>,
    /// Ended at or after.
    pub from: Option<Timestamp>,
    /// Ended before.
    pub to: Option<Timestamp>,
}

/// Rows in one statement: 17 values each, and SQLite takes 32,766 of them.
const ROWS_PER_STATEMENT: usize = 512;

/// Most rows of a page: some 100 kB.
const MAX_PAGE: u32 = 1_000;

const SELECT: &str = "SELECT id, at_micros, tenant, key, plugin, run, model, class, kind, input_tokens,
    cached_tokens, output_tokens, cost_micros, held_micros, claimed_micros, estimated, outcome FROM charges";

#[derive(FromRow)]
struct Raw {
    id: i64,
    at_micros: i64,
    tenant: String,
    key: String,
    plugin: Option<String>,
    run: Option<String>,
    model: String,
    class: String,
    kind: String,
    input_tokens: i64,
    cached_tokens: i64,
    output_tokens: i64,
    cost_micros: i64,
    held_micros: i64,
    claimed_micros: Option<i64>,
    estimated: i64,
    outcome: String,
}

impl Store {
    /// The id of the newest charge; 0 where there is none.
    pub async fn last_charge(&self) -> Result<u64, StoreError> {
        to_count(sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM charges").fetch_one(self.pool()).await?)
    }

    /// Writes charges and the budgets that they change, all in one transaction. Writing the same
    /// again changes nothing: a charge's id is kept once, and budgets are written whole.
    pub async fn record(&self, charges: &[ChargeRow], changed: &[BudgetRow]) -> Result<(), StoreError> {
        let mut transaction = self.write(Area::Ledger).await?;
        for rows in charges.chunks(ROWS_PER_STATEMENT) {
            insert(&mut transaction, rows).await?;
        }
        budgets::put(&mut transaction, changed).await?;
        Ok(transaction.commit().await?)
    }

    /// Charges, newest first: at most `limit` (and 1,000) of those older than the id `before`, if given.
    pub async fn charges(
        &self,
        filter: &ChargeFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ChargeRow>, StoreError> {
        let mut statement = Statement::new(SELECT);
        filter.push_to(&mut statement)?;
        if let Some(before) = before.and_then(|id| i64::try_from(id).ok()) {
            statement.push(" AND id < ").bind(before)?;
        }
        statement.push(" ORDER BY id DESC LIMIT ").bind(i64::from(limit.min(MAX_PAGE)))?;
        let rows: Vec<Raw> = statement.query_as().fetch_all(self.pool()).await?;
        rows.into_iter().map(ChargeRow::try_from).collect()
    }
}

impl ChargeFilter {
    /// Adds the conditions that are given; one is always there, so that more can follow.
    pub(super) fn push_to(&self, statement: &mut Statement) -> Result<(), StoreError> {
        statement.push(" WHERE TRUE");
        let texts = [
            (" AND tenant = ", self.tenant.as_ref().map(TenantId::as_str)),
            (" AND key = ", self.key.as_ref().map(KeyId::as_str)),
            (" AND plugin = ", self.plugin.as_ref().map(PluginName::as_str)),
            (" AND run = ", self.run.as_ref().map(RunId::as_str)),
            (" AND model = ", self.model.as_deref()),
            (" AND class = ", self.class.as_deref()),
        ];
        for (sql, text) in texts.into_iter().filter_map(|(sql, text)| Some((sql, text?))) {
            statement.push(sql).bind(text)?;
        }
        for (sql, time) in [(" AND at_micros >= ", self.from), (" AND at_micros < ", self.to)] {
            if let Some(time) = time {
                statement.push(sql).bind(time.as_microsecond())?;
            }
        }
        Ok(())
    }
}

impl ChargeKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::Embedding => "embedding",
            Self::Rerank => "rerank",
        }
    }
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Abandoned => "abandoned",
            Self::OverHold => "over_hold",
        }
    }
}

impl TryFrom<Raw> for ChargeRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let kinds = [ChargeKind::Completion, ChargeKind::Embedding, ChargeKind::Rerank];
        let outcomes = [Outcome::Settled, Outcome::Abandoned, Outcome::OverHold];
        let plugin = raw.plugin.map(|name| name.parse()).transpose();
        let charge = NewCharge {
            at: Timestamp::from_microsecond(raw.at_micros).map_err(|_| StoreError::Unreadable("time"))?,
            tenant: raw.tenant.parse().map_err(|_| StoreError::Unreadable("tenant"))?,
            key: raw.key.into(),
            plugin: plugin.map_err(|_| StoreError::Unreadable("plugin name"))?,
            run: raw.run.map(RunId::from),
            model: raw.model,
            class: raw.class,
            kind: named(kinds, |kind| kind.as_str() == raw.kind, "charge kind")?,
            tokens: Tokens {
                input: to_count(raw.input_tokens)?,
                cached: to_count(raw.cached_tokens)?,
                output: to_count(raw.output_tokens)?,
            },
            cost: to_usd(raw.cost_micros)?,
            held: to_usd(raw.held_micros)?,
            claimed: raw.claimed_micros.map(to_usd).transpose()?,
            is_estimated: raw.estimated != 0,
            outcome: named(outcomes, |outcome| outcome.as_str() == raw.outcome, "outcome")?,
        };
        Ok(Self { id: to_count(raw.id)?, charge })
    }
}

fn named<T, const N: usize>(all: [T; N], is_it: impl Fn(&T) -> bool, what: &'static str) -> Result<T, StoreError> {
    all.into_iter().find(is_it).ok_or(StoreError::Unreadable(what))
}

async fn insert(transaction: &mut Transaction<'static, Any>, rows: &[ChargeRow]) -> Result<(), StoreError> {
    let mut statement = Statement::new(
        "INSERT INTO charges (id, at_micros, tenant, key, plugin, run, model, class, kind, input_tokens,
           cached_tokens, output_tokens, cost_micros, held_micros, claimed_micros, estimated, outcome) VALUES ",
    );
    let mut opening = "(";
    for row in rows {
        statement.push(opening);
        push_values(&mut statement, row)?;
        opening = "), (";
    }
    statement.push(") ON CONFLICT DO NOTHING");
    statement.query().execute(&mut **transaction).await?;
    Ok(())
}

fn push_values(statement: &mut Statement, ChargeRow { id, charge }: &ChargeRow) -> Result<(), StoreError> {
    statement.bind(count(*id))?;
    statement.push(", ").bind(charge.at.as_microsecond())?;
    statement.push(", ").bind(charge.tenant.as_str())?;
    statement.push(", ").bind(charge.key.as_str())?;
    statement.push(", ").bind(charge.plugin.as_ref().map(PluginName::as_str))?;
    statement.push(", ").bind(charge.run.as_ref().map(RunId::as_str))?;
    statement.push(", ").bind(charge.model.as_str())?;
    statement.push(", ").bind(charge.class.as_str())?;
    statement.push(", ").bind(charge.kind.as_str())?;
    statement.push(", ").bind(count(charge.tokens.input))?;
    statement.push(", ").bind(count(charge.tokens.cached))?;
    statement.push(", ").bind(count(charge.tokens.output))?;
    statement.push(", ").bind(to_column(charge.cost))?;
    statement.push(", ").bind(to_column(charge.held))?;
    statement.push(", ").bind(charge.claimed.map(to_column))?;
    statement.push(", ").bind(i64::from(charge.is_estimated))?;
    statement.push(", ").bind(charge.outcome.as_str())?;
    Ok(())
}

/// A count as its column holds it. The ledger writes none that does not fit.
fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
