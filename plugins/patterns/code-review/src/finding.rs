//! What the reviewers found, once it is known to stand in the diff.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::{place::Place, role::Role};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Category {
    Security,
    DataIntegrity,
    Correctness,
    Performance,
    Usability,
    Maintainability,
}

/// A finding, as the outcome shows it. Everything about its place is the diff's, not the model's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) severity: Severity,
    pub(crate) category: Category,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) suggestion: Option<String>,
    /// Each role once, in the order of [`Role`].
    pub(crate) found_by: Vec<Role>,
    /// The critic's reason to keep it; none where it said nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) critic: Option<String>,
    /// The lines around it, for the critic.
    #[serde(skip)]
    pub(crate) context: String,
    /// How many roles answered about this part of the diff.
    #[serde(skip)]
    pub(crate) n_readers: usize,
}

/// Makes one of findings that say the same: of one line, in one category. The gravest comes first.
/// Answers too how many went into others.
pub(crate) fn merge(mut findings: Vec<Finding>) -> (Vec<Finding>, usize) {
    let n_before = findings.len();
    findings.sort_by(|a, b| a.key().cmp(&b.key()).then(b.severity.cmp(&a.severity)));
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        match merged.last_mut().filter(|last| last.key() == finding.key()) {
            Some(last) => last.absorb(finding),
            None => merged.push(finding),
        }
    }
    // Stable, so that findings of one severity stay in the order of files and lines.
    merged.sort_by_key(|finding| Reverse(finding.severity));
    let n_merged = n_before - merged.len();
    (merged, n_merged)
}

impl Finding {
    fn key(&self) -> (&Place, Category) {
        (&self.place, self.category)
    }

    /// Takes over what a less grave finding of the same knows.
    fn absorb(&mut self, other: Self) {
        self.suggestion = self.suggestion.take().or(other.suggestion);
        self.found_by.extend(other.found_by);
        self.found_by.sort();
        self.found_by.dedup();
        self.n_readers = self.n_readers.max(other.n_readers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::FileSide;

    fn finding(line: u32, severity: Severity, category: Category, by: Role) -> Finding {
        Finding {
            place: Place { file: "a.rs".into(), side: FileSide::New, line, quote: format!("line {line}") },
            severity,
            category,
            message: format!("{by} {severity:?}"),
            suggestion: None,
            found_by: vec![by],
            critic: None,
            context: String::new(),
            n_readers: 3,
        }
    }

    #[test]
    fn what_says_the_same_becomes_one() {
        use Category::{Correctness, Security};
        use Role::{Performance, Reviewer};
        let suggested =
            Finding { suggestion: Some("check it".into()), ..finding(7, Severity::Low, Security, Reviewer) };
        let (merged, n_merged) = merge(vec![
            finding(7, Severity::Low, Correctness, Reviewer),
            suggested,
            finding(9, Severity::Medium, Security, Reviewer),
            finding(7, Severity::High, Security, Role::Security),
            finding(7, Severity::Low, Security, Reviewer),
            finding(7, Severity::Low, Security, Performance),
        ]);
        assert_eq!(n_merged, 3);
        let [gravest, next, last] = merged.as_slice() else { panic!("{merged:?}") };
        assert_eq!((gravest.place.line, gravest.severity), (7, Severity::High));
        assert_eq!(gravest.message, "security High");
        assert_eq!(gravest.suggestion.as_deref(), Some("check it"));
        assert_eq!(gravest.found_by, [Reviewer, Role::Security, Performance]);
        assert_eq!((next.place.line, last.category), (9, Correctness));
    }

    #[test]
    fn merging_nothing_is_nothing() {
        assert_eq!(merge(Vec::new()), (Vec::new(), 0));
    }
}
