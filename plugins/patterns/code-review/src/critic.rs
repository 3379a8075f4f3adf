//! The critic says of each finding whether it holds. It may drop, with a reason, and not add.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use sophia_sdk::Error;

use crate::{
    answer::MAX_ANSWER_BYTES,
    batch::batches,
    crew::{Crew, Swarm},
    finding::Finding,
    prompt,
    role::Role,
    text::clipped,
};

const MAX_REASON_CHARS: usize = 300;

/// What the critic says of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ruling {
    Keep(String),
    Drop,
    /// Both, so neither.
    Unclear,
}

#[derive(Deserialize)]
struct Answer {
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    id: usize,
    keep: bool,
    reason: String,
}

/// What is left of the findings.
#[derive(Debug)]
pub(crate) struct Criticised {
    pub(crate) kept: Vec<Finding>,
    pub(crate) n_dropped: usize,
    /// Kept because the critic said nothing clear of them.
    pub(crate) n_unjudged: usize,
}

/// Puts the findings to the critic, as many at once as the token budget holds.
pub(crate) fn criticise<S: Swarm>(
    findings: Vec<Finding>,
    token_budget: usize,
    crew: &mut Crew<'_, S>,
) -> Result<Criticised, Error> {
    let texts: Vec<String> = findings.iter().enumerate().map(|(n, finding)| describe(n + 1, finding)).collect();
    let batches = batches(&texts, token_budget);
    let prompts = batches.iter().enumerate().map(|(n, batch)| (n + 1, prompt::criticise(batch))).collect();
    let mut rulings = BTreeMap::new();
    for (n, answer) in crew.ask(prompts)?.into_iter().enumerate() {
        match answer.map(|text| read(&text)) {
            Some(Some(verdicts)) => verdicts.into_iter().for_each(|verdict| note(&mut rulings, verdict)),
            Some(None) => crew.note_unreadable(Role::Critic, n + 1),
            None => {}
        }
    }
    Ok(apply(findings, &rulings))
}

fn read(text: &str) -> Option<Vec<Verdict>> {
    let answer: Answer = serde_json::from_str(text).ok().filter(|_| text.len() <= MAX_ANSWER_BYTES)?;
    Some(answer.verdicts)
}

/// A verdict without a reason is none.
fn note(rulings: &mut BTreeMap<usize, Ruling>, verdict: Verdict) {
    let reason = clipped(&verdict.reason, MAX_REASON_CHARS);
    if reason.is_empty() {
        return;
    }
    let ruling = if verdict.keep { Ruling::Keep(reason) } else { Ruling::Drop };
    rulings
        .entry(verdict.id)
        .and_modify(|earlier| {
            if std::mem::discriminant(earlier) != std::mem::discriminant(&ruling) {
                *earlier = Ruling::Unclear;
            }
        })
        .or_insert(ruling);
}

/// Ids that no finding has are ignored: so nothing is added.
fn apply(findings: Vec<Finding>, rulings: &BTreeMap<usize, Ruling>) -> Criticised {
    let mut criticised = Criticised { kept: Vec::new(), n_dropped: 0, n_unjudged: 0 };
    for (n, finding) in findings.into_iter().enumerate() {
        let critic = match rulings.get(&(n + 1)) {
            Some(Ruling::Drop) => {
                criticised.n_dropped += 1;
                continue;
            }
            Some(Ruling::Keep(reason)) => Some(reason.clone()),
            Some(Ruling::Unclear) | None => {
                criticised.n_unjudged += 1;
                None
            }
        };
        criticised.kept.push(Finding { critic, ..finding });
    }
    criticised
}

/// What the critic sees of a finding: its own words, and the lines around its place.
fn describe(id: usize, finding: &Finding) -> String {
    let what = json!({
        "id": id,
        "file": finding.place.file,
        "line": finding.place.line,
        "quote": finding.place.quote,
        "severity": finding.severity,
        "category": finding.category,
        "message": finding.message,
    });
    format!("{what}\n{}", finding.context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rulings(text: &str) -> BTreeMap<usize, Ruling> {
        let mut rulings = BTreeMap::new();
        read(text).unwrap_or_default().into_iter().for_each(|verdict| note(&mut rulings, verdict));
        rulings
    }

    #[test]
    fn a_verdict_needs_a_reason_and_no_opposite() {
        let found = rulings(
            r#"{"verdicts":[{"id":1,"keep":true,"reason":"it shows"},{"id":2,"keep":false,"reason":"no"},
            {"id":3,"keep":false,"reason":" "},{"id":4,"keep":true,"reason":"a"},{"id":4,"keep":false,"reason":"b"},
            {"id":2,"keep":false,"reason":"no, again"},{"id":4,"keep":true,"reason":"a"}]}"#,
        );
        let expected = [(1, Ruling::Keep("it shows".into())), (2, Ruling::Drop), (4, Ruling::Unclear)];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn what_is_no_answer_is_read_as_none() {
        for text in ["", "[]", r#"{"verdicts":[{"id":-1,"keep":true,"reason":"x"}]}"#, r#"{"verdicts":[{"id":1"#] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
