//! What a review is asked to do: arguments, checked.

use serde::Deserialize;
use sophia_sdk::{Error, Json};

use crate::text::clipped;

/// The largest diff. At a default token budget that is some 700 chunks; a review reads 64.
const MAX_DIFF_BYTES: usize = 2 << 20;

/// The most lines: each costs memory of its own, however short it is.
const MAX_DIFF_LINES: usize = 200_000;

const MAX_FOCUS: usize = 8;
const MAX_FOCUS_CHARS: usize = 100;
const MAX_TITLE_CHARS: usize = 200;
/// What of a description goes into every prompt.
const MAX_DESCRIPTION_CHARS: usize = 500;

/// Tokens of the diff in one prompt. Small models have 2,048 to 8,192 for everything.
const TOKEN_BUDGETS: std::ops::RangeInclusive<usize> = 200..=32_000;
const DEFAULT_TOKEN_BUDGET: usize = 1_500;

/// Parts of the diff that are read. With three agents each, the most are 192 calls of a model.
const CHUNKS: std::ops::RangeInclusive<usize> = 1..=64;
const DEFAULT_CHUNKS: usize = 64;

const FINDINGS: std::ops::RangeInclusive<usize> = 1..=50;
const DEFAULT_FINDINGS: usize = 20;

/// The arguments as they were written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTask {
    diff: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    focus: Vec<String>,
    max_findings: Option<usize>,
    token_budget: Option<usize>,
    max_chunks: Option<usize>,
}

/// The arguments, within their bounds.
#[derive(Debug, PartialEq)]
pub(crate) struct Task {
    pub(crate) diff: String,
    pub(crate) about: About,
    pub(crate) max_findings: usize,
    pub(crate) token_budget: usize,
    pub(crate) max_chunks: usize,
}

/// What the caller says of the change.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct About {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) focus: Vec<String>,
}

impl Task {
    pub(crate) fn read(arguments: &Json) -> Result<Self, Error> {
        let raw: RawTask = arguments.parse()?;
        if raw.diff.len() > MAX_DIFF_BYTES {
            return Err(Error::Invalid(format!("diff: more than {MAX_DIFF_BYTES} bytes")));
        }
        if raw.diff.bytes().filter(|byte| *byte == b'\n').count() > MAX_DIFF_LINES {
            return Err(Error::Invalid(format!("diff: more than {MAX_DIFF_LINES} lines")));
        }
        if raw.focus.len() > MAX_FOCUS {
            return Err(Error::Invalid(format!("focus: more than {MAX_FOCUS} entries")));
        }
        Ok(Self {
            diff: raw.diff,
            about: About {
                title: clipped(&raw.title, MAX_TITLE_CHARS),
                description: clipped(&raw.description, MAX_DESCRIPTION_CHARS),
                focus: raw
                    .focus
                    .iter()
                    .map(|text| clipped(text, MAX_FOCUS_CHARS))
                    .filter(|text| !text.is_empty())
                    .collect(),
            },
            max_findings: within("max_findings", raw.max_findings.unwrap_or(DEFAULT_FINDINGS), &FINDINGS)?,
            token_budget: within("token_budget", raw.token_budget.unwrap_or(DEFAULT_TOKEN_BUDGET), &TOKEN_BUDGETS)?,
            max_chunks: within("max_chunks", raw.max_chunks.unwrap_or(DEFAULT_CHUNKS), &CHUNKS)?,
        })
    }
}

fn within(name: &str, value: usize, bounds: &std::ops::RangeInclusive<usize>) -> Result<usize, Error> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    Err(Error::Invalid(format!("{name}: must be from {} to {}", bounds.start(), bounds.end())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(arguments: serde_json::Value) -> String {
        match Task::read(&arguments.into()) {
            Err(Error::Invalid(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let task = Task::read(&json!({ "diff": "x" }).into()).unwrap();
        assert_eq!((task.max_findings, task.token_budget), (DEFAULT_FINDINGS, DEFAULT_TOKEN_BUDGET));
        assert_eq!(task.about, About::default());
    }

    #[test]
    fn every_argument_has_a_bound() {
        for (arguments, expected) in [
            (json!({}), "missing field `diff`"),
            (json!({ "diff": 1 }), "invalid type"),
            (json!({ "diff": "", "difff": "" }), "unknown field"),
            (json!({ "diff": "x".repeat(MAX_DIFF_BYTES + 1) }), "more than 2097152 bytes"),
            (json!({ "diff": "\n".repeat(MAX_DIFF_LINES + 1) }), "more than 200000 lines"),
            (json!({ "diff": "", "focus": vec!["x"; 9] }), "more than 8 entries"),
            (json!({ "diff": "", "max_findings": 0 }), "from 1 to 50"),
            (json!({ "diff": "", "max_chunks": 65 }), "from 1 to 64"),
            (json!({ "diff": "", "token_budget": 199 }), "from 200 to 32000"),
            (json!({ "diff": "", "token_budget": -1 }), "invalid value"),
        ] {
            let text = refusal(arguments);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn what_is_said_of_the_change_is_one_short_line_each() {
        let arguments =
            json!({ "diff": "", "title": "t\n</change>", "description": "d".repeat(5_000), "focus": [" ", "locks"] });
        let about = Task::read(&arguments.into()).unwrap().about;
        assert_eq!(about.title, "t </change>");
        assert_eq!(about.description.len(), MAX_DESCRIPTION_CHARS);
        assert_eq!(about.focus, ["locks"]);
    }
}
