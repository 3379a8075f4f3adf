use http::HeaderValue;
use sophia_domain::{KeyId, PluginName, RunId, TenantId, Usd};
use sophia_ledger::{BudgetScope, Ledger};

/// Who asks a model, and who pays. One per call of a plugin or request of a caller.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Whose money it is.
    pub tenant: TenantId,
    /// The key that it is spent under.
    pub key: KeyId,
    /// The plugin that asks; none where a caller does.
    pub plugin: Option<PluginName>,
    /// The run that it is part of.
    pub run: Option<RunId>,
    /// The most that one call may cost, beside the budgets; none where nothing else bounds it.
    pub most: Option<Usd>,
    /// The W3C trace context to pass on.
    pub traceparent: Option<HeaderValue>,
}

impl Asker {
    /// The least that is left in a budget that pays for this; none where none is set.
    pub(crate) fn left(&self, ledger: &Ledger) -> Option<Usd> {
        let of_run = self.run.as_ref().map(|run| BudgetScope::Run(self.tenant.clone(), run.clone()));
        let scopes = [
            Some(BudgetScope::Tenant(self.tenant.clone())),
            Some(BudgetScope::Key(self.tenant.clone(), self.key.clone())),
            of_run,
        ];
        scopes.iter().flatten().filter_map(|scope| ledger.budget(scope)).map(|budget| budget.left).min()
    }
}
