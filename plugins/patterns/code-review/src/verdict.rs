//! From findings and the judge's opinion to a verdict, by a rule that needs evidence.
//!
//! - **changes-requested**: the judge says so, and a finding stands that quotes the diff.
//! - **pass**: the judge says so, at least one finding stands, all that stand are of low severity,
//!   and the review is whole: every role answered about every chunk, the critic about every
//!   finding, the judge saw all of them, and nothing that should be reviewed was left out.
//! - **inconclusive**: everything else. So a review without a valid finding never passes: nothing
//!   shows that anybody read the diff.
//!
//! The confidence is a product of three shares that are counted: of the readers' answers that
//! came and could be read; of proposed findings that stood in the diff; and, as a mean over the
//! findings that stand, of those who speak for a finding (the roles that found it and the critic
//! that kept it) among all who saw its part of the diff. An inconclusive verdict has none.

use crate::{
    finding::{Finding, Severity},
    judge::{Opinion, Verdict},
    panel::Panel,
};

/// What a verdict rests on.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) findings: &'a [Finding],
    pub(crate) opinion: Option<&'a Opinion>,
    /// What the review lacks, for people. Empty where it is whole.
    pub(crate) gaps: Vec<String>,
}

/// Decides, and says why, for people.
pub(crate) fn decide(evidence: Evidence<'_>) -> (Verdict, Vec<String>) {
    let mut reasons = evidence.gaps;
    if evidence.findings.is_empty() {
        reasons.push("no finding stands that quotes the diff".to_owned());
        return (Verdict::Inconclusive, reasons);
    }
    let Some(opinion) = evidence.opinion else { return (Verdict::Inconclusive, reasons) };
    let n_grave = evidence.findings.iter().filter(|finding| finding.severity > Severity::Low).count();
    let is_whole = reasons.is_empty();
    reasons.insert(0, format!("judge: {}", opinion.reason));
    let verdict = match opinion.verdict {
        Verdict::ChangesRequested => Verdict::ChangesRequested,
        Verdict::Pass if n_grave > 0 => {
            reasons.push(format!("the judge would pass {n_grave} findings of more than low severity"));
            Verdict::Inconclusive
        }
        Verdict::Pass if is_whole => Verdict::Pass,
        Verdict::Pass | Verdict::Inconclusive => Verdict::Inconclusive,
    };
    (verdict, reasons)
}

/// See the module. None without a verdict, and none where nothing was counted.
pub(crate) fn confidence(verdict: Verdict, findings: &[Finding], panel: &Panel) -> Option<f32> {
    if verdict == Verdict::Inconclusive {
        return None;
    }
    let coverage = ratio(panel.n_read, panel.n_asked)?;
    let validity = ratio(panel.n_valid, panel.n_valid + panel.dropped.unfounded() + panel.dropped.malformed)?;
    let speaking = |finding: &Finding| {
        let n_speaking = finding.found_by.len() + usize::from(finding.critic.is_some());
        ratio(n_speaking, finding.n_readers + 1).unwrap_or_default()
    };
    let agreement = findings.iter().map(speaking).sum::<f32>() / findings.len().max(1) as f32;
    Some((coverage * validity * agreement).clamp(0.0, 1.0))
}

/// None where there is nothing to divide by. Counts here are far below what `f32` holds exactly.
fn ratio(part: usize, whole: usize) -> Option<f32> {
    (whole > 0).then(|| part as f32 / whole as f32)
}

#[cfg(test)]
mod tests;
