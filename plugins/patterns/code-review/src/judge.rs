//! The judge says what the findings come to. What it says counts only with evidence, see
//! [`crate::verdict`].

use serde::{Deserialize, Serialize};
use serde_json::json;
use sophia_sdk::Error;

use crate::{
    answer::MAX_ANSWER_BYTES,
    batch::fitting,
    crew::{Crew, Swarm},
    finding::Finding,
    prompt,
    role::Role,
    text::clipped,
};

const MAX_REASON_CHARS: usize = 500;

/// What the review comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Pass,
    ChangesRequested,
    Inconclusive,
}

/// What the judge thinks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Opinion {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
    /// Findings that the judge did not see, because the token budget held no more.
    #[serde(skip)]
    pub(crate) n_unseen: usize,
}

/// Asks the judge. No opinion where it gave none that can be read.
pub(crate) fn judge<S: Swarm>(
    findings: &[Finding],
    token_budget: usize,
    crew: &mut Crew<'_, S>,
) -> Result<Option<Opinion>, Error> {
    let mut texts: Vec<String> = findings.iter().map(describe).collect();
    texts.truncate(fitting(&texts, token_budget));
    let answer = crew.ask(vec![(1, prompt::judge(&texts))])?.into_iter().next().flatten();
    let Some(answer) = answer else { return Ok(None) };
    let opinion = read(&answer).map(|opinion| Opinion { n_unseen: findings.len() - texts.len(), ..opinion });
    if opinion.is_none() {
        crew.note_unreadable(Role::Judge, 1);
    }
    Ok(opinion)
}

/// A verdict without a reason is none.
fn read(text: &str) -> Option<Opinion> {
    let opinion: Opinion = serde_json::from_str(text).ok().filter(|_| text.len() <= MAX_ANSWER_BYTES)?;
    let reason = clipped(&opinion.reason, MAX_REASON_CHARS);
    (!reason.is_empty()).then_some(Opinion { reason, ..opinion })
}

fn describe(finding: &Finding) -> String {
    json!({
        "file": finding.place.file,
        "line": finding.place.line,
        "severity": finding.severity,
        "category": finding.category,
        "message": finding.message,
        "found_by": finding.found_by,
        "critic": finding.critic,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opinion_has_a_verdict_and_a_reason() {
        let read = |text| super::read(text).map(|opinion| opinion.verdict);
        assert_eq!(read(r#"{"verdict":"changes-requested","reason":"r"}"#), Some(Verdict::ChangesRequested));
        assert_eq!(read(r#"{"verdict":"pass","reason":"r","n_unseen":9}"#), Some(Verdict::Pass));
        for text in [
            "",
            "pass",
            r#"{"verdict":"pass"}"#,
            r#"{"verdict":"pass","reason":""}"#,
            r#"{"verdict":"ok","reason":"r"}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
