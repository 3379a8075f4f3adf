use sophia_domain::{Blame, Digest, KeyId, NodeId, PluginName, RunId, TenantId, Tokens, Usd};
use sqlx::{Any, FromRow, Transaction};

use super::{EventRow, RunRef, column, events};
use crate::{
    Store, StoreError,
    ledger::{to_column, to_count, to_usd},
    statement::Statement,
    transaction::Area,
};

/// A run that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Which.
    pub run: RunRef,
    /// The pattern.
    pub pattern: PluginName,
    /// The version of it.
    pub digest: Digest,
    /// The caller's key.
    pub key: KeyId,
    /// JSON.
    pub arguments: String,
    /// The most that it may cost.
    pub budget: Usd,
    /// What the caller named the request by.
    pub idempotency_key: Option<String>,
    /// Of what the request said.
    pub request_digest: Digest,
    /// Microseconds since 1970.
    pub started_micros: i64,
}

/// What came of a request to start a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    /// It is there, and running.
    New,
    /// A request of the same name was here before.
    Before(Box<RunRow>),
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// It has not ended.
    Running,
    /// It has an outcome.
    Succeeded,
    /// It has none.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunEnd {
    /// The outcome, as JSON.
    pub content: Option<String>,
    /// Between 0 and 1.
    pub confidence: Option<f32>,
    /// The kind of fault.
    pub fault: Option<String>,
    /// The plugin's own error, as JSON.
    pub error: Option<String>,
    /// Whose fault it is.
    pub blame: Option<Blame>,
    /// What to tell the caller.
    pub detail: Option<String>,
}

/// What a run cost: the sum of its charges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunSpent {
    /// Model calls.
    pub n_charges: u64,
    /// What they cost.
    pub cost: Usd,
    /// What they used.
    pub tokens: Tokens,
    /// What a node may have spent beyond them when it died.
    pub unreconciled: Usd,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Not running.
    pub status: RunStatus,
    /// Microseconds since 1970.
    pub ended_micros: i64,
    /// In microseconds, by a clock that does not jump.
    pub duration_micros: u64,
    /// What it came to.
    pub end: RunEnd,
    /// What it cost.
    pub spent: RunSpent,
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its place in the order of starting.
    pub number: u64,
    /// What was asked for.
    pub new: NewRun,
    /// How far it is.
    pub status: RunStatus,
    /// Microseconds since 1970; none while it runs.
    pub ended_micros: Option<i64>,
    /// In microseconds; none while it runs.
    pub duration_micros: Option<u64>,
    /// What it came to; nothing while it runs.
    pub end: RunEnd,
    /// What it cost; nothing while it runs.
    pub spent: RunSpent,
}

/// Which runs are meant.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this pattern.
    pub pattern: Option<PluginName>,
    /// That are so far.
    pub status: Option<RunStatus>,
}

/// Most runs of a page.
const MAX_PAGE: u32 = 200;

const SELECT: &str = "SELECT number, tenant, id, pattern, digest, key, arguments, budget_micros, idempotency_key,
    request_digest, status, started_micros, ended_micros, duration_micros, content, confidence, fault, error, blame,
    detail, n_charges, cost_micros, input_tokens, cached_tokens, output_tokens, unreconciled_micros FROM runs";

#[derive(FromRow)]
struct Raw {
    number: i64,
    tenant: String,
    id: String,
    pattern: String,
    digest: String,
    key: String,
    arguments: String,
    budget_micros: i64,
    idempotency_key: Option<String>,
    request_digest: String,
    status: String,
    started_micros: i64,
    ended_micros: Option<i64>,
    duration_micros: Option<i64>,
    content: Option<String>,
    confidence: Option<f64>,
    fault: Option<String>,
    error: Option<String>,
    blame: Option<String>,
    detail: Option<String>,
    n_charges: i64,
    cost_micros: i64,
    input_tokens: i64,
    cached_tokens: i64,
    output_tokens: i64,
    unreconciled_micros: i64,
}

impl Store {
    /// Writes a run that begins on this node, with its first event; or finds the one that a request
    /// of the same name started.
    pub async fn start_run(&self, new: &NewRun, first: &EventRow) -> Result<Started, StoreError> {
        let mut transaction = self.write(Area::Runs).await?;
        if let Some(name) = &new.idempotency_key {
            let row: Option<Raw> =
                sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE tenant = $1 AND idempotency_key = $2")))
                    .bind(new.run.tenant.as_str())
                    .bind(name.as_str())
                    .fetch_optional(&mut *transaction)
                    .await?;
            if let Some(row) = row {
                return Ok(Started::Before(Box::new(row.try_into()?)));
            }
        }
        let node = self.node();
        self.fence(&mut transaction, &node).await?;
        insert(&mut transaction, new, &node).await?;
        events::insert(&mut transaction, &new.run, first).await?;
        transaction.commit().await?;
        Ok(Started::New)
    }

    /// One run.
    pub async fn run(&self, run: &RunRef) -> Result<Option<RunRow>, StoreError> {
        let row: Option<Raw> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE tenant = $1 AND id = $2")))
            .bind(run.tenant.as_str())
            .bind(run.id.as_str())
            .fetch_optional(self.pool())
            .await?;
        row.map(RunRow::try_from).transpose()
    }

    /// Runs, newest first: at most `limit` (and 200) of those before a number, if given.
    pub async fn runs(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        let mut statement = Statement::new(SELECT);
        statement.push(" WHERE tenant = ").bind(tenant.as_str())?;
        if let Some(pattern) = &filter.pattern {
            statement.push(" AND pattern = ").bind(pattern.as_str())?;
        }
        if let Some(status) = filter.status {
            statement.push(" AND status = ").bind(status.as_str())?;
        }
        if let Some(before) = before {
            statement.push(" AND number < ").bind(column(before))?;
        }
        statement.push(" ORDER BY number DESC LIMIT ").bind(i64::from(limit.min(MAX_PAGE)))?;
        let rows: Vec<Raw> = statement.query_as().fetch_all(self.pool()).await?;
        rows.into_iter().map(RunRow::try_from).collect()
    }

    /// Takes over the runs of all tenants whose node ended before they did, for this node to close.
    /// Each is given to one node.
    pub async fn adopt_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let node = self.node();
        let mut transaction = self.write(Area::Runs).await?;
        self.fence(&mut transaction, &node).await?;
        let mut numbers: Vec<(i64,)> = sqlx::query_as(
            "UPDATE runs SET node = $1
             WHERE status = 'running' AND node NOT IN (SELECT id FROM nodes WHERE ended = 0) RETURNING number",
        )
        .bind(node.as_str())
        .fetch_all(&mut *transaction)
        .await?;
        numbers.sort_unstable();
        let mut adopted = Vec::new();
        for (number,) in numbers {
            let query = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE number = $1")));
            let row: Raw = query.bind(number).fetch_one(&mut *transaction).await?;
            adopted.push(RunRow::try_from(row)?);
        }
        transaction.commit().await?;
        Ok(adopted)
    }
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word used in rows, the API and the CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl TryFrom<Raw> for RunRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let unreadable = StoreError::Unreadable;
        let run = RunRef { tenant: raw.tenant.parse().map_err(|_| unreadable("tenant"))?, id: RunId::from(raw.id) };
        let blames = [Blame::Plugin, Blame::Host, Blame::Caller, Blame::Upstream];
        let blame =
            raw.blame.map(|word| blames.into_iter().find(|blame| blame.as_str() == word).ok_or(unreadable("blame")));
        Ok(Self {
            number: to_count(raw.number)?,
            new: NewRun {
                run,
                pattern: raw.pattern.parse().map_err(|_| unreadable("plugin name"))?,
                digest: raw.digest.parse().map_err(|_| unreadable("digest"))?,
                key: KeyId::from(raw.key),
                arguments: raw.arguments,
                budget: to_usd(raw.budget_micros)?,
                idempotency_key: raw.idempotency_key,
                request_digest: raw.request_digest.parse().map_err(|_| unreadable("digest"))?,
                started_micros: raw.started_micros,
            },
            status: RunStatus::parse(&raw.status).ok_or(unreadable("status"))?,
            ended_micros: raw.ended_micros,
            duration_micros: raw.duration_micros.map(to_count).transpose()?,
            end: RunEnd {
                content: raw.content,
                confidence: raw.confidence.map(to_f32),
                fault: raw.fault,
                error: raw.error,
                blame: blame.transpose()?,
                detail: raw.detail,
            },
            spent: RunSpent {
                n_charges: to_count(raw.n_charges)?,
                cost: to_usd(raw.cost_micros)?,
                tokens: Tokens {
                    input: to_count(raw.input_tokens)?,
                    cached: to_count(raw.cached_tokens)?,
                    output: to_count(raw.output_tokens)?,
                },
                unreconciled: to_usd(raw.unreconciled_micros)?,
            },
        })
    }
}

/// Single precision is what a guest gives, double what every database has.
fn to_f32(column: f64) -> f32 {
    column as f32
}

async fn insert(transaction: &mut Transaction<'static, Any>, new: &NewRun, node: &NodeId) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO runs (tenant, id, pattern, digest, key, arguments, budget_micros, idempotency_key,
           request_digest, status, started_micros, node)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'running', $10, $11)",
    )
    .bind(new.run.tenant.as_str())
    .bind(new.run.id.as_str())
    .bind(new.pattern.as_str())
    .bind(new.digest.to_string())
    .bind(new.key.as_str())
    .bind(new.arguments.as_str())
    .bind(to_column(new.budget))
    .bind(new.idempotency_key.as_deref())
    .bind(new.request_digest.to_string())
    .bind(new.started_micros)
    .bind(node.as_str())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) async fn close(
    transaction: &mut Transaction<'static, Any>,
    run: &RunRef,
    closing: &Closing,
) -> Result<(), StoreError> {
    let Closing { end, spent, .. } = closing;
    sqlx::query(
        "UPDATE runs SET status = $1, ended_micros = $2, duration_micros = $3, content = $4, confidence = $5, fault = $6,
           error = $7, blame = $8, detail = $9, n_charges = $10, cost_micros = $11, input_tokens = $12, cached_tokens = $13,
           output_tokens = $14, unreconciled_micros = $15
         WHERE tenant = $16 AND id = $17 AND status = 'running'",
    )
    .bind(closing.status.as_str())
    .bind(closing.ended_micros)
    .bind(column(closing.duration_micros))
    .bind(end.content.as_deref())
    .bind(end.confidence.map(f64::from))
    .bind(end.fault.as_deref())
    .bind(end.error.as_deref())
    .bind(end.blame.map(Blame::as_str))
    .bind(end.detail.as_deref())
    .bind(column(spent.n_charges))
    .bind(to_column(spent.cost))
    .bind(column(spent.tokens.input))
    .bind(column(spent.tokens.cached))
    .bind(column(spent.tokens.output))
    .bind(to_column(spent.unreconciled))
    .bind(run.tenant.as_str())
    .bind(run.id.as_str())
    .execute(&mut **transaction)
    .await?;
    // Nobody needs to be asked to end it any more.
    sqlx::query("DELETE FROM generations WHERE topic = 'cancels' AND tenant = $1 AND item = $2")
        .bind(run.tenant.as_str())
        .bind(run.id.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
