use std::fmt;

use serde::Serialize;

/// Who is asked. The first three read the diff, at the same time and without each other's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Reviewer,
    Security,
    Performance,
    /// Says of each finding whether it holds. Adds none.
    Critic,
    /// Says what the findings come to.
    Judge,
}

impl Role {
    /// Those who read the diff.
    pub(crate) const READERS: [Self; 3] = [Self::Reviewer, Self::Security, Self::Performance];

    /// What the timeline calls it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Security => "security",
            Self::Performance => "performance",
            Self::Critic => "critic",
            Self::Judge => "judge",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
