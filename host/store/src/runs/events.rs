use sophia_domain::Usd;
use sqlx::{Any, FromRow, Transaction};

use super::{RunRef, column};
use crate::{
    Store, StoreError,
    ledger::{to_column, to_count, to_usd},
};

/// One event of a timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRow {
    /// Its number within the run, from 1, without gaps.
    pub seq: u64,
    /// Microseconds since 1970.
    pub at_micros: i64,
    /// One of the 16 kinds.
    pub kind: String,
    /// Whether the pattern added it.
    pub is_guests: bool,
    /// The agent that it is about.
    pub agent: Option<String>,
    /// That agent's role.
    pub role: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The beginning of what was said.
    pub content: Option<String>,
    /// More of it, as JSON.
    pub data: Option<String>,
    /// What this event alone cost.
    pub cost: Option<Usd>,
    /// The tokens of this event alone.
    pub tokens: Option<u64>,
    /// How long what ended took, in microseconds.
    pub duration_micros: Option<u64>,
    /// The event that began it.
    pub parent: Option<u64>,
}

/// A timeline summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimelineTotals {
    /// Events in all.
    pub n_events: u64,
    /// What they cost.
    pub cost: Usd,
    /// Their tokens.
    pub tokens: u64,
    /// Those that say that something failed.
    pub n_errors: u64,
    /// By role, as they first appeared.
    pub roles: Vec<RoleTotal>,
}

/// What one role did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleTotal {
    /// As the pattern calls it.
    pub role: String,
    /// How often it spoke.
    pub n_messages: u64,
    /// What that cost.
    pub cost: Usd,
    /// Its tokens.
    pub tokens: u64,
}

/// Most events of a page.
const MAX_PAGE: u32 = 1_000;

#[derive(FromRow)]
struct Raw {
    seq: i64,
    at_micros: i64,
    kind: String,
    guest: i64,
    agent: Option<String>,
    role: Option<String>,
    model: Option<String>,
    content: Option<String>,
    data: Option<String>,
    cost_micros: Option<i64>,
    tokens: Option<i64>,
    duration_micros: Option<i64>,
    parent: Option<i64>,
}

impl Store {
    /// Events of a run in their order: at most `limit` (and 1,000) after a number.
    pub async fn run_events(&self, run: &RunRef, after: u64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let rows: Vec<Raw> = sqlx::query_as(
            "SELECT seq, at_micros, kind, guest, agent, role, model, content, data, cost_micros, tokens,
               duration_micros, parent
             FROM run_events WHERE tenant = $1 AND run = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        )
        .bind(run.tenant.as_str())
        .bind(run.id.as_str())
        .bind(column(after))
        .bind(i64::from(limit.min(MAX_PAGE)))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(EventRow::try_from).collect()
    }

    /// The number of a run's newest event; 0 where there is none.
    pub async fn last_run_event(&self, run: &RunRef) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM run_events WHERE tenant = $1 AND run = $2");
        to_count(query.bind(run.tenant.as_str()).bind(run.id.as_str()).fetch_one(self.pool()).await?)
    }

    /// A timeline summed up, from its rows.
    pub async fn run_totals(&self, run: &RunRef) -> Result<TimelineTotals, StoreError> {
        let rows: Vec<(Option<String>, i64, i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT role, COUNT(*), CAST(COALESCE(SUM(cost_micros), 0) AS BIGINT),
               CAST(COALESCE(SUM(tokens), 0) AS BIGINT), COUNT(CASE WHEN kind = 'agent_message' THEN 1 END),
               COUNT(CASE WHEN kind = 'error' THEN 1 END)
             FROM run_events WHERE tenant = $1 AND run = $2 GROUP BY role ORDER BY MIN(seq)",
        )
        .bind(run.tenant.as_str())
        .bind(run.id.as_str())
        .fetch_all(self.pool())
        .await?;
        let mut totals = TimelineTotals::default();
        for (role, n_events, cost, tokens, n_messages, n_errors) in rows {
            let (cost, tokens) = (to_usd(cost)?, to_count(tokens)?);
            totals.n_events += to_count(n_events)?;
            totals.n_errors += to_count(n_errors)?;
            totals.tokens += tokens;
            totals.cost = totals.cost.checked_add(cost).unwrap_or(Usd::MAX);
            if let Some(role) = role {
                totals.roles.push(RoleTotal { role, n_messages: to_count(n_messages)?, cost, tokens });
            }
        }
        Ok(totals)
    }
}

impl TryFrom<Raw> for EventRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            seq: to_count(raw.seq)?,
            at_micros: raw.at_micros,
            kind: raw.kind,
            is_guests: raw.guest != 0,
            agent: raw.agent,
            role: raw.role,
            model: raw.model,
            content: raw.content,
            data: raw.data,
            cost: raw.cost_micros.map(to_usd).transpose()?,
            tokens: raw.tokens.map(to_count).transpose()?,
            duration_micros: raw.duration_micros.map(to_count).transpose()?,
            parent: raw.parent.map(to_count).transpose()?,
        })
    }
}

pub(super) async fn insert(
    transaction: &mut Transaction<'static, Any>,
    run: &RunRef,
    row: &EventRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO run_events (tenant, run, seq, at_micros, kind, guest, agent, role, model, content, data,
           cost_micros, tokens, duration_micros, parent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(run.tenant.as_str())
    .bind(run.id.as_str())
    .bind(column(row.seq))
    .bind(row.at_micros)
    .bind(row.kind.as_str())
    .bind(i64::from(row.is_guests))
    .bind(row.agent.as_deref())
    .bind(row.role.as_deref())
    .bind(row.model.as_deref())
    .bind(row.content.as_deref())
    .bind(row.data.as_deref())
    .bind(row.cost.map(to_column))
    .bind(row.tokens.map(column))
    .bind(row.duration_micros.map(column))
    .bind(row.parent.map(column))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
