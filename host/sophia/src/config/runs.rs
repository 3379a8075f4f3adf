//! `[runs]`: what a run may cost, and how many are under way.

use sophia_domain::Usd;
use sophia_runs::RunsConfig;

use super::{check::Check, raw::RawRuns};

/// A review of a large diff with small models costs a tenth of it.
const DEFAULT_BUDGET: Usd = Usd::dollars(1);
/// What somebody would notice on a bill.
const DEFAULT_MAX_BUDGET: Usd = Usd::dollars(100);
/// Each waits for models most of its time, and holds an instance meanwhile.
const DEFAULT_MAX_CONCURRENT: u32 = 64;

impl Check {
    pub(super) fn runs(&mut self, raw: RawRuns) -> RunsConfig {
        let RawRuns { budget, max_budget, max_concurrent } = raw;
        let max_budget = self.parse("runs.max_budget", max_budget, DEFAULT_MAX_BUDGET);
        let budget = self.parse("runs.budget", budget, DEFAULT_BUDGET.min(max_budget));
        if budget > max_budget {
            self.complain("runs.budget", format!("{budget} is more than `runs.max_budget`, {max_budget}"));
        }
        if budget == Usd::ZERO {
            self.complain("runs.budget", "a run that may spend nothing can ask no model");
        }
        let max_concurrent = max_concurrent.unwrap_or(DEFAULT_MAX_CONCURRENT);
        RunsConfig { budget, max_budget, max_concurrent: self.at_least_one("runs.max_concurrent", max_concurrent) }
    }
}
