//! How a node learns what another one changed. Every change of what nodes keep copies of counts
//! its topic up, in the change's own transaction. A node compares the counts with those that it
//! has seen, when it is told to look and every so often without: a lost notice costs that time
//! and nothing else.

use sophia_domain::{RunId, TenantId};
use sqlx::{Any, AnyPool, Transaction};

use crate::{Store, StoreError};

/// What nodes keep copies of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What answers: versions, grants, connections. Its items are plugins.
    Plugins,
    /// Who may do what.
    Keys,
    /// Sealed secrets.
    Secrets,
    /// Limits of budgets.
    Budgets,
    /// Limits of rates.
    Limits,
    /// Runs that are to be cancelled. Its items are runs.
    Cancels,
}

/// A count of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Whose the item is.
    pub tenant: TenantId,
    /// Its name.
    pub item: String,
    /// How often it was changed.
    pub n: u64,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Plugins, Self::Keys, Self::Secrets, Self::Budgets, Self::Limits, Self::Cancels];

    /// The word in rows and notices.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plugins => "plugins",
            Self::Keys => "keys",
            Self::Secrets => "secrets",
            Self::Budgets => "budgets",
            Self::Limits => "limits",
            Self::Cancels => "cancels",
        }
    }
}

impl Store {
    /// How often each topic was changed; one that never was is left out.
    pub async fn topics(&self) -> Result<Vec<(Topic, u64)>, StoreError> {
        topics(self.pool()).await
    }

    /// How often each item of a topic was changed.
    pub async fn generations(&self, topic: Topic) -> Result<Vec<Generation>, StoreError> {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT tenant, item, n FROM generations WHERE topic = $1 AND item <> ''")
                .bind(topic.as_str())
                .fetch_all(self.pool())
                .await?;
        let read = |(tenant, item, n): (String, String, i64)| {
            let tenant = tenant.parse().map_err(|_| StoreError::Unreadable("tenant"))?;
            Ok(Generation { tenant, item, n: n.unsigned_abs() })
        };
        rows.into_iter().map(read).collect()
    }
}

impl Store {
    /// Asks whichever node executes a run to end it.
    pub async fn ask_cancel(&self, tenant: &TenantId, run: &RunId) -> Result<(), StoreError> {
        self.commit(self.append().await?, Topic::Cancels, Some((tenant, run.as_str()))).await
    }

    /// Commits a change of what nodes keep copies of, and tells them.
    pub(crate) async fn commit(
        &self,
        mut transaction: Transaction<'static, Any>,
        topic: Topic,
        item: Option<(&TenantId, &str)>,
    ) -> Result<(), StoreError> {
        changed(&mut transaction, topic, item).await?;
        transaction.commit().await?;
        self.notices().tell(topic);
        Ok(())
    }
}

/// How often each topic was changed.
pub(crate) async fn topics(pool: &AnyPool) -> Result<Vec<(Topic, u64)>, StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT topic, n FROM generations WHERE tenant = '' AND item = ''").fetch_all(pool).await?;
    // A topic of a later release is not ours to follow.
    let known = |name: &str| Topic::ALL.into_iter().find(|topic| topic.as_str() == name);
    Ok(rows.into_iter().filter_map(|(name, n)| Some((known(&name)?, n.unsigned_abs()))).collect())
}

/// Counts a topic up, and an item of it, if one is named. The topic's row is locked until the
/// transaction ends, so that counts become visible in their order.
async fn changed(
    transaction: &mut Transaction<'static, Any>,
    topic: Topic,
    item: Option<(&TenantId, &str)>,
) -> Result<(), StoreError> {
    let item = item.map(|(tenant, item)| (tenant.as_str(), item));
    for (tenant, item) in [("", "")].into_iter().chain(item) {
        sqlx::query(
            "INSERT INTO generations (topic, tenant, item, n) VALUES ($1, $2, $3, 1)
             ON CONFLICT (topic, tenant, item) DO UPDATE SET n = generations.n + 1",
        )
        .bind(topic.as_str())
        .bind(tenant)
        .bind(item)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    #[rstest]
    #[tokio::test]
    async fn counts_changes_that_were_made_and_no_others(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let store = place.open().await;
        let main = TenantId::main();
        assert_eq!(store.topics().await.unwrap(), []);
        for (item, is_made) in [("a", true), ("b", true), ("a", false), ("a", true)] {
            let mut transaction = store.append().await.unwrap();
            changed(&mut transaction, Topic::Plugins, Some((&main, item))).await.unwrap();
            if is_made {
                transaction.commit().await.unwrap();
            }
        }
        assert_eq!(store.topics().await.unwrap(), [(Topic::Plugins, 3)]);
        let mut items = store.generations(Topic::Plugins).await.unwrap();
        items.sort_by(|a, b| a.item.cmp(&b.item));
        let generation = |item: &str, n| Generation { tenant: TenantId::main(), item: item.into(), n };
        assert_eq!(items, [generation("a", 2), generation("b", 1)]);
        assert_eq!(store.generations(Topic::Keys).await.unwrap(), []);
    }
}
