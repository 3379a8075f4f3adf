//! `[quotas]`: what every tenant and every key may use, until something else is set.

use sophia_domain::Quota;
use sophia_ledger::QuotaDefaults;

use super::{check::Check, raw::RawQuotas};

impl Check {
    pub(super) fn quotas(&mut self, raw: &RawQuotas) -> QuotaDefaults {
        QuotaDefaults {
            tenant: self.quotas_of("quotas.tenant", &raw.tenant),
            key: self.quotas_of("quotas.key", &raw.key),
        }
    }

    fn quotas_of(&mut self, setting: &str, texts: &[String]) -> Vec<Quota> {
        let mut quotas: Vec<Quota> = Vec::new();
        for text in texts {
            match text.parse::<Quota>() {
                Err(wrong) => self.complain(setting, wrong),
                Ok(quota) if quotas.iter().any(|one| one.counts_as(&quota)) => {
                    self.complain(setting, format!("`{text}` counts what another one counts in the same time"));
                }
                Ok(quota) => quotas.push(quota),
            }
        }
        if quotas.len() > Quota::MAX_OF_SCOPE {
            self.complain(setting, format!("{} are more than {}", quotas.len(), Quota::MAX_OF_SCOPE));
        }
        quotas
    }
}
