use std::collections::HashMap;

use sophia_domain::{Quota, QuotaKind};
use sophia_store::ledger::BudgetScope;

/// What holds for every tenant and every key, until something else is set. The operator's, from
/// the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuotaDefaults {
    /// Of each tenant.
    pub tenant: Vec<Quota>,
    /// Of each key.
    pub key: Vec<Quota>,
}

/// All quotas as they are set. Replaced whole at each change.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Grows with each change.
    pub(crate) version: u64,
    pub(crate) defaults: QuotaDefaults,
    pub(crate) set: HashMap<BudgetScope, Vec<Quota>>,
}

impl Rules {
    /// Whether nothing is limited at all.
    pub(crate) fn are_none(&self) -> bool {
        self.set.is_empty() && self.defaults.tenant.is_empty() && self.defaults.key.is_empty()
    }

    /// Whether something is limited of a scope.
    pub(crate) fn limit(&self, scope: &BudgetScope) -> bool {
        !self.defaults_of(scope).is_empty() || self.set.contains_key(scope)
    }

    /// The quotas of a scope, and whether each is the default: those that are set, and the defaults
    /// of kinds of which none is.
    pub(crate) fn of(&self, scope: &BudgetScope) -> Vec<(Quota, bool)> {
        let set = self.set.get(scope).map_or(&[][..], Vec::as_slice);
        let is_set = |kind: QuotaKind| set.iter().any(|quota| quota.kind == kind);
        let defaults = self.defaults_of(scope).iter().filter(|quota| !is_set(quota.kind));
        set.iter().map(|quota| (*quota, false)).chain(defaults.map(|quota| (*quota, true))).collect()
    }

    /// Every window of tokens or money that anything is limited in.
    pub(crate) fn windows(&self) -> Vec<sophia_domain::Span> {
        let all = self.set.values().flatten().chain(&self.defaults.tenant).chain(&self.defaults.key);
        let spent = all.filter(|quota| matches!(quota.kind, QuotaKind::Tokens | QuotaKind::Cost));
        let mut windows: Vec<_> = spent.filter_map(|quota| quota.per).collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    fn defaults_of(&self, scope: &BudgetScope) -> &[Quota] {
        match scope {
            BudgetScope::Tenant(_) => &self.defaults.tenant,
            BudgetScope::Key(..) => &self.defaults.key,
            BudgetScope::Run(..) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use sophia_domain::TenantId;

    use super::*;

    fn quotas(texts: &[&str]) -> Vec<Quota> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_set_stands_in_place_of_the_defaults_of_its_kind() {
        let key = BudgetScope::Key(TenantId::main(), "ci".into());
        let defaults = QuotaDefaults { tenant: Vec::new(), key: quotas(&["requests=60/m", "tokens=1k/h", "cost=1/d"]) };
        let mut rules = Rules { defaults, ..Rules::default() };
        assert!(rules.limit(&key) && !rules.limit(&BudgetScope::Tenant(TenantId::main())));
        rules.set.insert(key.clone(), quotas(&["models.requests=5/s", "tokens=2k/h", "tokens=9k/d"]));
        let shown: Vec<String> =
            rules.of(&key).iter().map(|(quota, is_default)| format!("{quota} {is_default}")).collect();
        let expected =
            ["models.requests=5/1s false", "tokens=2000/1h false", "tokens=9000/24h false", "cost=$1.000000/24h true"];
        assert_eq!(shown, expected);
        let windows: Vec<String> = rules.windows().iter().map(ToString::to_string).collect();
        assert_eq!(windows, ["1h", "24h"]);
    }
}
