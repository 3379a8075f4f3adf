use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What kind of deployment a node belongs to: a setting of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// The default.
    Development,
    /// A rehearsal.
    Staging,
    /// The real one.
    Production,
}

/// No environment has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no environment: write development, staging or production")]
pub struct NoEnvironment(String);

impl Environment {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl FromStr for Environment {
    type Err = NoEnvironment;

    fn from_str(word: &str) -> Result<Self, NoEnvironment> {
        let found = Self::ALL.into_iter().find(|environment| environment.as_str() == word);
        found.ok_or_else(|| NoEnvironment(word.chars().filter(|c| !c.is_control()).take(64).collect()))
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
