use serde::{Deserialize, Serialize};

/// Whose fault a failure is. Stands on every fault, span and problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The guest code or its manifest.
    Plugin,
    /// This node.
    Host,
    /// Whoever sent the request.
    Caller,
    /// The vendor, provider or worker that a plugin called.
    Upstream,
}

impl Blame {
    /// The word used in problem documents, logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Host => "host",
            Self::Caller => "caller",
            Self::Upstream => "upstream",
        }
    }
}
