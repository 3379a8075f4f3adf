use std::fmt;

use sophia_domain::{KeyId, RunId, TenantId, Usd};
use sqlx::{Any, Transaction};

use super::{to_column, to_usd};
use crate::{Store, StoreError, transaction::Area};

/// Whose money a budget limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BudgetScope {
    /// All that a tenant spends.
    Tenant(TenantId),
    /// What is spent under one of its keys.
    Key(TenantId, KeyId),
    /// What one of its runs spends.
    Run(TenantId, RunId),
}

/// A budget as it rests. Of its limit, `spent`, `leased` and `unreconciled` are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRow {
    /// Whose it is.
    pub scope: BudgetScope,
    /// The most that may ever be spent.
    pub limit: Usd,
    /// The sum of the scope's charges.
    pub spent: Usd,
    /// What the node took out and may have spent, beyond its charges.
    pub leased: Usd,
    /// What was leased when a node died.
    pub unreconciled: Usd,
}

type Columns = (String, String, String, i64, i64, i64, i64);

impl BudgetScope {
    /// The tenant that the scope is of.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Tenant(tenant) | Self::Key(tenant, _) | Self::Run(tenant, _) => tenant,
        }
    }

    /// The word for its kind: `tenant`, `key` or `run`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tenant(_) => "tenant",
            Self::Key(..) => "key",
            Self::Run(..) => "run",
        }
    }

    pub(crate) fn columns(&self) -> (&str, &'static str, &str) {
        match self {
            Self::Tenant(tenant) => (tenant.as_str(), "tenant", ""),
            Self::Key(tenant, key) => (tenant.as_str(), "key", key.as_str()),
            Self::Run(tenant, run) => (tenant.as_str(), "run", run.as_str()),
        }
    }
}

impl fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenant `{tenant}`"),
            Self::Key(_, key) => write!(f, "key `{key}`"),
            Self::Run(_, run) => write!(f, "run `{run}`"),
        }
    }
}

impl Store {
    /// All budgets, after what an earlier process had leased and not given back was made
    /// unreconciled. In one transaction, so that a kill leaves it leased or unreconciled, never neither.
    pub async fn reconcile_budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        let mut transaction = self.write(Area::Ledger).await?;
        sqlx::query(
            "UPDATE budgets SET unreconciled_micros = unreconciled_micros + leased_micros, leased_micros = 0
             WHERE leased_micros > 0",
        )
        .execute(&mut *transaction)
        .await?;
        let rows: Vec<Columns> = sqlx::query_as(
            "SELECT tenant, scope, id, limit_micros, spent_micros, leased_micros, unreconciled_micros
             FROM budgets ORDER BY tenant, scope, id",
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.into_iter().map(read).collect()
    }

    /// Forgets a budget; its scope's charges stay.
    pub async fn delete_budget(&self, scope: &BudgetScope) -> Result<(), StoreError> {
        let (tenant, scope, id) = scope.columns();
        sqlx::query("DELETE FROM budgets WHERE tenant = $1 AND scope = $2 AND id = $3")
            .bind(tenant)
            .bind(scope)
            .bind(id)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// The sum of a scope's charges.
    pub async fn spent(&self, scope: &BudgetScope) -> Result<Usd, StoreError> {
        // One statement each: a condition that may be absent would keep SQLite from the index.
        let sql = match scope {
            BudgetScope::Tenant(_) => {
                "SELECT CAST(COALESCE(SUM(cost_micros), 0) AS BIGINT) FROM charges WHERE tenant = $1"
            }
            BudgetScope::Key(..) => {
                "SELECT CAST(COALESCE(SUM(cost_micros), 0) AS BIGINT) FROM charges WHERE tenant = $1 AND key = $2"
            }
            BudgetScope::Run(..) => {
                "SELECT CAST(COALESCE(SUM(cost_micros), 0) AS BIGINT) FROM charges WHERE tenant = $1 AND run = $2"
            }
        };
        let (tenant, _, id) = scope.columns();
        let query = sqlx::query_scalar(sql).bind(tenant);
        let query = if id.is_empty() { query } else { query.bind(id) };
        to_usd(query.fetch_one(self.pool()).await?)
    }
}

/// Writes budgets as they are to be, whatever they were.
pub(super) async fn put(transaction: &mut Transaction<'static, Any>, budgets: &[BudgetRow]) -> Result<(), StoreError> {
    for row in budgets {
        let (tenant, scope, id) = row.scope.columns();
        sqlx::query(
            "INSERT INTO budgets (tenant, scope, id, limit_micros, spent_micros, leased_micros, unreconciled_micros)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, scope, id) DO UPDATE SET
               limit_micros = excluded.limit_micros, spent_micros = excluded.spent_micros,
               leased_micros = excluded.leased_micros, unreconciled_micros = excluded.unreconciled_micros",
        )
        .bind(tenant)
        .bind(scope)
        .bind(id)
        .bind(to_column(row.limit))
        .bind(to_column(row.spent))
        .bind(to_column(row.leased))
        .bind(to_column(row.unreconciled))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

fn read((tenant, scope, id, limit, spent, leased, unreconciled): Columns) -> Result<BudgetRow, StoreError> {
    let tenant = tenant.parse().map_err(|_| StoreError::Unreadable("tenant"))?;
    let scope = match scope.as_str() {
        "tenant" => BudgetScope::Tenant(tenant),
        "key" => BudgetScope::Key(tenant, id.into()),
        "run" => BudgetScope::Run(tenant, id.into()),
        _ => return Err(StoreError::Unreadable("budget scope")),
    };
    Ok(BudgetRow {
        scope,
        limit: to_usd(limit)?,
        spent: to_usd(spent)?,
        leased: to_usd(leased)?,
        unreconciled: to_usd(unreconciled)?,
    })
}
