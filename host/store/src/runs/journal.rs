use sophia_domain::{Tokens, Usd};
use sqlx::{Any, FromRow, Transaction};

use super::{RunRef, column};
use crate::{
    Store, StoreError,
    ledger::{to_column, to_count, to_usd},
};

/// One row of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// The step, from 0.
    pub step: u32,
    /// Its item, from 0.
    pub item: u32,
    /// The turn or piece of the item, from 1; 0 is the item itself.
    pub k: u32,
    /// The function of the contract.
    pub call: String,
    /// Microseconds since 1970.
    pub began_micros: i64,
    /// Microseconds since 1970; none while it is under way.
    pub ended_micros: Option<i64>,
    /// What was asked, as JSON; none where this node answered itself.
    pub intent: Option<String>,
    /// What came of it, as JSON.
    pub answer: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// What it used.
    pub usage: Option<StepUsage>,
    /// Why it failed, as JSON.
    pub error: Option<String>,
}

/// What came of a row that was written before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepAnswer {
    /// The step.
    pub step: u32,
    /// Its item.
    pub item: u32,
    /// The turn, or 0.
    pub k: u32,
    /// Microseconds since 1970.
    pub ended_micros: i64,
    /// As JSON.
    pub answer: String,
    /// The model that answered.
    pub model: Option<String>,
    /// What it used.
    pub usage: Option<StepUsage>,
    /// Why it failed, as JSON.
    pub error: Option<String>,
}

/// Tokens and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepUsage {
    /// How many tokens.
    pub tokens: Tokens,
    /// What they cost.
    pub cost: Usd,
}

/// Most rows of a page: with a prompt in each, some megabytes.
const MAX_PAGE: u32 = 500;

#[derive(FromRow)]
struct Raw {
    step: i64,
    item: i64,
    k: i64,
    call: String,
    began_micros: i64,
    ended_micros: Option<i64>,
    intent: Option<String>,
    answer: Option<String>,
    model: Option<String>,
    input_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    output_tokens: Option<i64>,
    cost_micros: Option<i64>,
    error: Option<String>,
}

impl Store {
    /// Rows of a journal in their order: at most `limit` (and 500) after a place, if one is given.
    pub async fn run_journal(
        &self,
        run: &RunRef,
        after: Option<(u32, u32, u32)>,
        limit: u32,
    ) -> Result<Vec<StepRow>, StoreError> {
        let (step, item, k) = after.map_or((-1, -1, -1), |(step, item, k)| (step.into(), item.into(), k.into()));
        let rows: Vec<Raw> = sqlx::query_as(
            "SELECT step, item, k, call, began_micros, ended_micros, intent, answer, model, input_tokens,
               cached_tokens, output_tokens, cost_micros, error
             FROM run_steps WHERE tenant = $1 AND run = $2 AND (step, item, k) > ($3, $4, $5)
             ORDER BY step, item, k LIMIT $6",
        )
        .bind(run.tenant.as_str())
        .bind(run.id.as_str())
        .bind::<i64>(step)
        .bind::<i64>(item)
        .bind::<i64>(k)
        .bind(i64::from(limit.min(MAX_PAGE)))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(StepRow::try_from).collect()
    }
}

impl TryFrom<Raw> for StepRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let place = |n: i64| u32::try_from(n).map_err(|_| StoreError::Unreadable("place"));
        let usage = match (raw.input_tokens, raw.cached_tokens, raw.output_tokens, raw.cost_micros) {
            (Some(input), Some(cached), Some(output), Some(cost)) => Some(StepUsage {
                tokens: Tokens { input: to_count(input)?, cached: to_count(cached)?, output: to_count(output)? },
                cost: to_usd(cost)?,
            }),
            _ => None,
        };
        Ok(Self {
            step: place(raw.step)?,
            item: place(raw.item)?,
            k: place(raw.k)?,
            call: raw.call,
            began_micros: raw.began_micros,
            ended_micros: raw.ended_micros,
            intent: raw.intent,
            answer: raw.answer,
            model: raw.model,
            usage,
            error: raw.error,
        })
    }
}

pub(super) async fn insert(
    transaction: &mut Transaction<'static, Any>,
    run: &RunRef,
    row: &StepRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO run_steps (tenant, run, step, item, k, call, began_micros, ended_micros, intent, answer, model,
           input_tokens, cached_tokens, output_tokens, cost_micros, error)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(run.tenant.as_str())
    .bind(run.id.as_str())
    .bind(i64::from(row.step))
    .bind(i64::from(row.item))
    .bind(i64::from(row.k))
    .bind(row.call.as_str())
    .bind(row.began_micros)
    .bind(row.ended_micros)
    .bind(row.intent.as_deref())
    .bind(row.answer.as_deref())
    .bind(row.model.as_deref())
    .bind(row.usage.map(|usage| column(usage.tokens.input)))
    .bind(row.usage.map(|usage| column(usage.tokens.cached)))
    .bind(row.usage.map(|usage| column(usage.tokens.output)))
    .bind(row.usage.map(|usage| to_column(usage.cost)))
    .bind(row.error.as_deref())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) async fn answer(
    transaction: &mut Transaction<'static, Any>,
    run: &RunRef,
    answer: &StepAnswer,
) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE run_steps SET ended_micros = $1, answer = $2, model = $3, input_tokens = $4, cached_tokens = $5,
           output_tokens = $6, cost_micros = $7, error = $8
         WHERE tenant = $9 AND run = $10 AND step = $11 AND item = $12 AND k = $13",
    )
    .bind(answer.ended_micros)
    .bind(answer.answer.as_str())
    .bind(answer.model.as_deref())
    .bind(answer.usage.map(|usage| column(usage.tokens.input)))
    .bind(answer.usage.map(|usage| column(usage.tokens.cached)))
    .bind(answer.usage.map(|usage| column(usage.tokens.output)))
    .bind(answer.usage.map(|usage| to_column(usage.cost)))
    .bind(answer.error.as_deref())
    .bind(run.tenant.as_str())
    .bind(run.id.as_str())
    .bind(i64::from(answer.step))
    .bind(i64::from(answer.item))
    .bind(i64::from(answer.k))
    .execute(&mut **transaction)
    .await?;
    if changed.rows_affected() == 0 { Err(StoreError::Missing("step")) } else { Ok(()) }
}
