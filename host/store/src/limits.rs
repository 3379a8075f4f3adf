//! What tenants and keys may use rests here; and what they used of models lately, read from the
//! charges.

use sophia_domain::{KeyId, Quota, TenantId, Usd};

use crate::{
    Store, StoreError,
    generations::Topic,
    ledger::{BudgetScope, to_count, to_usd},
};

/// The limits of a tenant or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRow {
    /// Whose they are; never a run's.
    pub scope: BudgetScope,
    /// All that are set.
    pub limits: Vec<Quota>,
}

/// What a key used of models within a part of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseRow {
    /// The key.
    pub key: KeyId,
    /// When the last of it was used: microseconds since 1970.
    pub at_micros: i64,
    /// Tokens of prompts and answers.
    pub tokens: u64,
    /// What it cost.
    pub cost: Usd,
}

type UseColumns = (String, i64, i64, i64);

impl Store {
    /// All limits that are set.
    pub async fn limits(&self) -> Result<Vec<LimitRow>, StoreError> {
        let rows: Vec<(String, String, String, String)> =
            sqlx::query_as("SELECT tenant, scope, id, limits FROM limits ORDER BY tenant, scope, id")
                .fetch_all(self.pool())
                .await?;
        rows.into_iter().map(read).collect()
    }

    /// Sets the limits of a scope in place of those before; with none it has none.
    pub async fn set_limits(&self, row: &LimitRow) -> Result<(), StoreError> {
        let mut transaction = self.append().await?;
        let (tenant, scope, id) = row.scope.columns();
        let limits: Vec<String> = row.limits.iter().map(ToString::to_string).collect();
        let query = if limits.is_empty() {
            sqlx::query("DELETE FROM limits WHERE tenant = $1 AND scope = $2 AND id = $3")
        } else {
            sqlx::query(
                "INSERT INTO limits (tenant, scope, id, limits) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (tenant, scope, id) DO UPDATE SET limits = excluded.limits",
            )
        };
        let query = query.bind(tenant).bind(scope).bind(id);
        let query = if limits.is_empty() { query } else { query.bind(limits.join("\n")) };
        query.execute(&mut *transaction).await?;
        self.commit(transaction, Topic::Limits, None).await
    }

    /// Tenants that ever used a model.
    pub async fn charged_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let mut tenants: Vec<TenantId> = Vec::new();
        // One step in the index each, however many charges there are.
        loop {
            let last = tenants.last().map_or("", TenantId::as_str);
            let next: (Option<String>,) = sqlx::query_as("SELECT MIN(tenant) FROM charges WHERE tenant > $1")
                .bind(last)
                .fetch_one(self.pool())
                .await?;
            let Some(next) = next.0 else { return Ok(tenants) };
            tenants.push(next.parse().map_err(|_| StoreError::Unreadable("tenant"))?);
        }
    }

    /// What the keys of a tenant used of models since a time, in parts of a length, both in
    /// microseconds.
    pub async fn used_since(&self, tenant: &TenantId, since: i64, part: i64) -> Result<Vec<UseRow>, StoreError> {
        let rows: Vec<UseColumns> = sqlx::query_as(
            "SELECT key, MAX(at_micros) AS at, CAST(SUM(input_tokens + output_tokens) AS BIGINT),
                    CAST(SUM(cost_micros) AS BIGINT)
             FROM charges WHERE tenant = $1 AND at_micros > $2
             GROUP BY key, (at_micros - $3) / $4 ORDER BY at",
        )
        .bind(tenant.as_str())
        .bind(since)
        .bind(since)
        .bind(part.max(1))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(read_use).collect()
    }
}

fn read((tenant, scope, id, limits): (String, String, String, String)) -> Result<LimitRow, StoreError> {
    let tenant = tenant.parse().map_err(|_| StoreError::Unreadable("tenant"))?;
    let scope = match scope.as_str() {
        "tenant" => BudgetScope::Tenant(tenant),
        "key" => BudgetScope::Key(tenant, id.into()),
        _ => return Err(StoreError::Unreadable("scope of limits")),
    };
    let limits: Result<_, _> = limits.lines().map(str::parse).collect();
    Ok(LimitRow { scope, limits: limits.map_err(|_| StoreError::Unreadable("limit"))? })
}

fn read_use((key, at_micros, tokens, cost): UseColumns) -> Result<UseRow, StoreError> {
    Ok(UseRow { key: key.into(), at_micros, tokens: to_count(tokens)?, cost: to_usd(cost)? })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    fn row(scope: BudgetScope, limits: &[&str]) -> LimitRow {
        LimitRow { scope, limits: limits.iter().map(|limit| limit.parse().unwrap()).collect() }
    }

    #[rstest]
    #[tokio::test]
    async fn limits_are_set_replaced_and_taken_back(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let store = place.open().await;
        let (main, other): (TenantId, TenantId) = (TenantId::main(), "other".parse().unwrap());
        let rows = [
            row(BudgetScope::Key(main.clone(), "ci".into()), &["requests=60/m", "cost=$5/day,open"]),
            row(BudgetScope::Tenant(main), &["concurrent=3"]),
            row(BudgetScope::Key(other, "ci".into()), &["models.requests=1/s"]),
        ];
        for row in &rows {
            store
                .set_limits(&LimitRow { limits: vec!["concurrent=99".parse().unwrap()], ..row.clone() })
                .await
                .unwrap();
            store.set_limits(row).await.unwrap();
        }
        drop(store);
        let store = place.open().await;
        assert_eq!(store.limits().await.unwrap(), rows);
        store.set_limits(&LimitRow { limits: Vec::new(), ..rows[0].clone() }).await.unwrap();
        assert_eq!(store.limits().await.unwrap(), rows[1..]);
    }

    #[tokio::test]
    async fn a_limit_that_cannot_be_read_is_an_error_and_no_limit_less() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        sqlx::query("INSERT INTO limits (tenant, scope, id, limits) VALUES ('main', 'key', 'ci', 'requests=many')")
            .execute(store.pool())
            .await
            .unwrap();
        assert!(matches!(store.limits().await, Err(StoreError::Unreadable("limit"))));
    }

    #[rstest]
    #[tokio::test]
    async fn what_was_used_lately_is_summed_by_key_and_part(
        #[values(Column::Sqlite, Column::Postgres)] column: Column,
    ) {
        let place = Place::of(column);
        let store = place.open().await;
        let main = TenantId::main();
        assert_eq!(store.charged_tenants().await.unwrap(), []);
        for (id, tenant, key, at) in [
            (1, "main", "ci", 5),
            (2, "main", "ci", 14),
            (3, "main", "ci", 17),
            (4, "main", "web", 17),
            (5, "a", "ci", 17),
        ] {
            sqlx::query(
                "INSERT INTO charges (id, at_micros, tenant, key, model, class, kind, input_tokens, cached_tokens,
                                      output_tokens, cost_micros, held_micros, estimated, outcome)
                 VALUES ($1, $2, $3, $4, 'm', 'c', 'completion', 7, 1, 3, 50, 60, 0, 'settled')",
            )
            .bind(id)
            .bind(i64::from(at))
            .bind(tenant)
            .bind(key)
            .execute(store.pool())
            .await
            .unwrap();
        }
        assert_eq!(store.charged_tenants().await.unwrap(), ["a".parse().unwrap(), main.clone()]);
        let used = store.used_since(&main, 5, 10).await.unwrap();
        let used: Vec<_> =
            used.iter().map(|row| (row.key.as_str(), row.at_micros, row.tokens, row.cost.micros())).collect();
        assert_eq!(used.len(), 3, "{used:?}");
        assert!(
            used.contains(&("ci", 14, 10, 50))
                && used.contains(&("ci", 17, 10, 50))
                && used.contains(&("web", 17, 10, 50))
        );
        let used = store.used_since(&main, 0, 100).await.unwrap();
        assert_eq!(used.iter().map(|row| row.tokens).sum::<u64>(), 40);
        assert!(used.iter().any(|row| (row.at_micros, row.tokens) == (17, 30)));
    }
}
