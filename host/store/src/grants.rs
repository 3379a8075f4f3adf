use sophia_domain::{Digest, PluginName, TenantId};

use crate::{
    Store, StoreError,
    generations::Topic,
    plugins::activate,
    transaction::{Area, now},
};

/// What the operator said to an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The plugin may.
    Granted,
    /// The plugin may not, and the operator knows that it asked.
    Declined,
}

/// A decision on one ask of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// The ask as it is shown, such as `egress GET https://api.example.com/*`.
    pub ask: String,
    /// What was said to it.
    pub decision: Decision,
}

impl Decision {
    fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Declined => "declined",
        }
    }
}

impl Store {
    /// The decisions on a plugin, by ask.
    pub async fn grants(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Vec<GrantRow>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT ask, decision FROM grants WHERE tenant = $1 AND plugin = $2 ORDER BY ask")
                .bind(tenant.as_str())
                .bind(plugin.as_str())
                .fetch_all(self.pool())
                .await?;
        rows.into_iter().map(read).collect()
    }

    /// Keeps decisions, replacing earlier ones on the same asks, and makes the version they were
    /// made for the one that answers, all in one transaction.
    pub async fn decide(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        decisions: &[GrantRow],
        version: &Digest,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write(Area::Plugins).await?;
        for row in decisions {
            sqlx::query(
                "INSERT INTO grants (tenant, plugin, ask, decision, decided_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (tenant, plugin, ask) DO UPDATE SET decision = excluded.decision, decided_at = excluded.decided_at",
            )
            .bind(tenant.as_str())
            .bind(plugin.as_str())
            .bind(&row.ask)
            .bind(row.decision.as_str())
            .bind(now())
            .execute(&mut *transaction)
            .await?;
        }
        activate(&mut transaction, tenant, plugin, version).await?;
        self.commit(transaction, Topic::Plugins, Some((tenant, plugin.as_str()))).await
    }
}

fn read((ask, decision): (String, String)) -> Result<GrantRow, StoreError> {
    let decision = match decision.as_str() {
        "granted" => Decision::Granted,
        "declined" => Decision::Declined,
        _ => return Err(StoreError::Unreadable("decision")),
    };
    Ok(GrantRow { ask, decision })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};
    use crate::{Activate, versions::tests::version};

    #[rstest]
    #[tokio::test]
    async fn decides_and_activates_together(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let store = place.open().await;
        let (tenant, plugin) = (TenantId::main(), "hello".parse().unwrap());
        let digest = Digest::of(b"1");
        let row = |decision| GrantRow { ask: "access public".into(), decision };
        let absent = store.decide(&tenant, &plugin, &[row(Decision::Granted)], &digest).await;
        assert!(absent.is_err());
        assert_eq!(store.grants(&tenant, &plugin).await.unwrap(), []);

        let kept = version(b"1");
        store.add_version(&tenant, &plugin, &kept, Activate::Later).await.unwrap();
        store.decide(&tenant, &plugin, &[row(Decision::Granted)], &digest).await.unwrap();
        store.decide(&tenant, &plugin, &[row(Decision::Declined)], &digest).await.unwrap();
        assert_eq!(store.grants(&tenant, &plugin).await.unwrap(), [row(Decision::Declined)]);
        assert_eq!(store.plugin(&tenant, &plugin).await.unwrap().unwrap().active, Some(digest));
        store.delete_plugin(&tenant, &plugin).await.unwrap();
        assert_eq!(store.grants(&tenant, &plugin).await.unwrap(), [], "a later plugin of that name inherits nothing");
    }
}
