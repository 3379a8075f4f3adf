//! What a reviewer answered, held against what it was shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chunk::Chunk,
    finding::{Category, Finding, Severity},
    place::{self, Unfounded},
    role::Role,
    text::clipped,
};

/// The longest answer that is read. Eight findings of the schema's size are some 8 kB.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The most findings of one answer. The schema allows [`crate::prompt::MAX_FINDINGS`]; a model
/// that is not held to it does not flood the review.
const MAX_FINDINGS: usize = 16;

pub(crate) const MAX_MESSAGE_CHARS: usize = 500;

/// Why findings were dropped, and how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Dropped {
    /// Not in the shape that was asked for.
    pub(crate) malformed: usize,
    /// Of a file that was not shown.
    pub(crate) no_such_file: usize,
    /// Quotes a line that does not stand in the diff.
    pub(crate) not_in_diff: usize,
    /// Quotes nothing.
    pub(crate) empty_quote: usize,
    /// More than one answer, or the whole review, may have.
    pub(crate) over_limit: usize,
    /// The critic's verdict.
    pub(crate) by_critic: usize,
}

/// An answer that was read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) findings: Vec<Finding>,
    pub(crate) dropped: Dropped,
}

#[derive(Deserialize)]
struct Answer {
    findings: Vec<Value>,
}

/// A line number or anything else that the model adds is not read.
#[derive(Deserialize)]
struct Proposed {
    file: String,
    quote: String,
    severity: Severity,
    category: Category,
    message: String,
    #[serde(default)]
    suggestion: Option<String>,
}

/// Reads an answer, if it is one.
pub(crate) fn read(text: &str, role: Role, chunk: &Chunk<'_>) -> Option<Reading> {
    if text.len() > MAX_ANSWER_BYTES {
        return None;
    }
    let answer: Answer = serde_json::from_str(text).ok()?;
    let mut reading = Reading::default();
    reading.dropped.over_limit = answer.findings.len().saturating_sub(MAX_FINDINGS);
    for value in answer.findings.into_iter().take(MAX_FINDINGS) {
        reading.take(value, role, chunk);
    }
    Some(reading)
}

impl Reading {
    fn take(&mut self, value: Value, role: Role, chunk: &Chunk<'_>) {
        let proposed = serde_json::from_value::<Proposed>(value).ok();
        let Some(proposed) = proposed.filter(|proposed| !proposed.message.trim().is_empty()) else {
            self.dropped.malformed += 1;
            return;
        };
        let place = match place::find(chunk, &proposed.file, &proposed.quote) {
            Ok(place) => place,
            Err(Unfounded::NoSuchFile) => return self.dropped.no_such_file += 1,
            Err(Unfounded::NotInDiff) => return self.dropped.not_in_diff += 1,
            Err(Unfounded::Empty) => return self.dropped.empty_quote += 1,
        };
        self.findings.push(Finding {
            context: place::around(chunk, &place),
            place,
            severity: proposed.severity,
            category: proposed.category,
            message: clipped(&proposed.message, MAX_MESSAGE_CHARS),
            suggestion: proposed
                .suggestion
                .map(|text| clipped(&text, MAX_MESSAGE_CHARS))
                .filter(|text| !text.is_empty()),
            found_by: vec![role],
            critic: None,
            n_readers: 0,
        });
    }
}

impl Dropped {
    /// Adds another answer's.
    pub(crate) fn add(&mut self, other: Self) {
        self.malformed += other.malformed;
        self.no_such_file += other.no_such_file;
        self.not_in_diff += other.not_in_diff;
        self.empty_quote += other.empty_quote;
        self.over_limit += other.over_limit;
        self.by_critic += other.by_critic;
    }

    /// Findings that were proposed without a place in the diff.
    pub(crate) const fn unfounded(&self) -> usize {
        self.no_such_file + self.not_in_diff + self.empty_quote
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{chunk, diff};

    const DIFF: &str = "--- a/a.rs\n+++ b/a.rs\n@@ -1 +1 @@\n-let a = 1;\n+let a = 2;\n";

    fn check(text: &str, expected: Option<(usize, Dropped)>) {
        let files = diff::parse(DIFF).unwrap();
        let plan = chunk::split(&files, 1_000);
        let reading = read(text, Role::Security, &plan.chunks[0]);
        let counted = reading.map(|reading| (reading.findings.len(), reading.dropped));
        assert_eq!(counted, expected, "{}", text.chars().take(300).collect::<String>());
    }

    fn proposed(file: &str, quote: &str) -> Value {
        json!({ "file": file, "quote": quote, "severity": "low", "category": "security", "message": "m", "suggestion": "" })
    }

    #[test]
    fn each_finding_is_held_against_the_diff() {
        let answer = json!({ "findings": [
            proposed("a.rs", "+let a = 2;"),
            proposed("a.rs", "let a = 3;"),
            proposed("b.rs", "let a = 2;"),
            proposed("a.rs", ""),
            { "file": "a.rs" },
            { "file": "a.rs", "quote": "let a = 2;", "severity": "worst", "category": "security", "message": "m" },
            { "file": "a.rs", "quote": "let a = 2;", "severity": "low", "category": "security", "message": " " },
            "let a = 2;",
        ]});
        let dropped = Dropped { malformed: 4, no_such_file: 1, not_in_diff: 1, empty_quote: 1, ..Dropped::default() };
        check(&answer.to_string(), Some((1, dropped)));
    }

    #[test]
    fn an_empty_list_is_an_answer_and_other_text_is_none() {
        check(r#"{"findings":[]}"#, Some((0, Dropped::default())));
        for text in ["", "null", "[]", "{}", "no problems found", r#"{"findings":{}}"#, r#"{"findings":[{"file":"a.r"#]
        {
            check(text, None);
        }
        check(&"[".repeat(50_000), None);
    }

    #[test]
    fn endless_findings_end() {
        let endless = json!({ "findings": vec![proposed("a.rs", "let a = 2;"); 200] }).to_string();
        check(&endless, Some((MAX_FINDINGS, Dropped { over_limit: 184, ..Dropped::default() })));
        check(&json!({ "findings": vec![proposed("a.rs", "let a = 2;"); 2_000] }).to_string(), None);
    }
}
