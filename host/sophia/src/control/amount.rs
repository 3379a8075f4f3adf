use serde::Serialize;
use sophia_domain::Usd;

/// Money in an answer: exact for programs, and as people read it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Amount {
    micro_usd: u64,
    usd: String,
}

impl From<Usd> for Amount {
    fn from(usd: Usd) -> Self {
        Self { micro_usd: usd.micros(), usd: usd.to_string() }
    }
}
