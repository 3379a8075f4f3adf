use sophia_domain::{Quota, TenantId};
use sophia_store::ledger::BudgetScope;

use super::{Quotas, gate};

/// The quotas of a tenant or a key, as they stand at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeQuotas {
    /// Whose.
    pub scope: BudgetScope,
    /// All that hold, set or by default.
    pub quotas: Vec<QuotaUse>,
}

/// A quota and what is used of it. On a node that shares windows with others it is what this one
/// knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaUse {
    /// The quota.
    pub quota: Quota,
    /// Whether it is the node's default.
    pub is_default: bool,
    /// What was used within the window.
    pub used: u64,
    /// What is held for calls under way.
    pub held: u64,
    /// What can be used.
    pub left: u64,
    /// Seconds until all that was used has left the window.
    pub reset: u64,
}

impl Quotas {
    /// The quotas of one; none where nothing limits it.
    pub fn of(&self, scope: &BudgetScope) -> Option<ScopeQuotas> {
        let rules = self.0.rules.load();
        if !rules.limit(scope) {
            return None;
        }
        let (gate, now, is_shared) = (self.0.gate(scope), self.0.now(), self.0.is_shared());
        let mut state = gate.following(&rules);
        let quotas = state.meters.iter_mut().map(|meter| {
            let reading = meter.read(now, is_shared);
            QuotaUse {
                quota: meter.quota,
                is_default: meter.is_default,
                used: reading.used,
                held: reading.held,
                left: reading.left,
                reset: gate::seconds(reading.reset),
            }
        });
        Some(ScopeQuotas { scope: scope.clone(), quotas: quotas.collect() })
    }

    /// Whether some are set for a scope, and not only the defaults hold.
    pub fn are_set(&self, scope: &BudgetScope) -> bool {
        self.0.rules.load().set.contains_key(scope)
    }

    /// Those of a tenant and its keys: where some are set, and where defaults were used. By scope.
    pub fn all(&self, tenant: &TenantId) -> Vec<ScopeQuotas> {
        let mut scopes: Vec<BudgetScope> = self.0.rules.load().set.keys().cloned().collect();
        scopes.extend(self.0.gates.iter().flat_map(|map| map.load().keys().cloned().collect::<Vec<_>>()));
        scopes.push(BudgetScope::Tenant(tenant.clone()));
        scopes.retain(|scope| scope.tenant() == tenant);
        scopes.sort_unstable();
        scopes.dedup();
        scopes.iter().filter_map(|scope| self.of(scope)).collect()
    }
}
