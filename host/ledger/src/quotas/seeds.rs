use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use sophia_domain::{QuotaKind, Span, TenantId};
use sophia_store::{Store, StoreError, ledger::BudgetScope};

use super::{
    log::{MAX_ENTRIES, Micros},
    meter::{Meter, micros},
};

/// What was used of models lately, read from the charges, so that neither a restart nor a new
/// limit forgets it. What a node that was killed had not written is not in it.
#[derive(Debug, Default)]
pub(crate) struct Seeds(HashMap<(BudgetScope, Duration), Vec<Seed>>);

#[derive(Debug, Clone, Copy)]
struct Seed {
    at: Micros,
    tokens: u64,
    cost: u64,
}

impl Seeds {
    /// What a tenant and its keys used within some windows, by the clock that is at `now`.
    pub(crate) async fn read(
        &mut self,
        store: &Store,
        tenant: &TenantId,
        windows: &[Span],
        now: Micros,
    ) -> Result<(), StoreError> {
        let today = Timestamp::now().as_microsecond();
        for window in windows {
            let length = i64::try_from(micros(window.0)).unwrap_or(i64::MAX);
            // As fine as the log keeps a large window.
            let part = length / i64::try_from(MAX_ENTRIES).unwrap_or(i64::MAX);
            for row in store.used_since(tenant, today.saturating_sub(length), part).await? {
                let ago = u64::try_from(today.saturating_sub(row.at_micros)).unwrap_or(0);
                let seed = Seed { at: now.saturating_sub(ago), tokens: row.tokens, cost: row.cost.micros() };
                for scope in [BudgetScope::Tenant(tenant.clone()), BudgetScope::Key(tenant.clone(), row.key.clone())] {
                    self.0.entry((scope, window.0)).or_default().push(seed);
                }
            }
        }
        Ok(())
    }

    /// Whose use is known.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &BudgetScope> {
        self.0.keys().map(|(scope, _)| scope)
    }

    /// Lets a new meter begin with what was used.
    pub(crate) fn sow(&self, scope: &BudgetScope, meter: &mut Meter) {
        let Some(per) = meter.quota.per else { return };
        for seed in self.0.get(&(scope.clone(), per.0)).into_iter().flatten() {
            match meter.quota.kind {
                QuotaKind::Tokens => meter.seed(seed.at, seed.tokens),
                QuotaKind::Cost => meter.seed(seed.at, seed.cost),
                QuotaKind::Requests | QuotaKind::Concurrent => {}
            }
        }
    }
}
