//! A review from diff to outcome: split → read → quotes → merge → critic → judge → verdict.

use serde::Serialize;
use serde_json::json;
use sophia_sdk::{Error, timeline::Kind};

use crate::{
    answer::Dropped,
    chunk::{self, Plan},
    crew::{Classes, Crew, Missing, Spent, Swarm},
    critic::{self, Criticised},
    diff,
    finding::{self, Finding},
    judge::{self, Opinion, Verdict},
    panel::{self, Panel},
    role::Role,
    skip::{Reason, Skipped},
    task::Task,
    verdict::{self, Evidence},
};

/// What came of a review.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    /// Why it is so, for people.
    pub(crate) reasons: Vec<String>,
    /// The gravest first.
    pub(crate) findings: Vec<Finding>,
    pub(crate) dropped: Dropped,
    /// Findings that said what another one says, and went into it.
    pub(crate) merged: usize,
    pub(crate) skipped: Vec<Skipped>,
    /// Agents that gave no answer.
    pub(crate) missing: Vec<Missing>,
    /// Parts of the diff that were put to the readers.
    pub(crate) chunks: usize,
    pub(crate) usage: Spent,
    #[serde(skip)]
    pub(crate) confidence: Option<f32>,
}

/// Findings on their way through the gates.
struct Gates {
    findings: Vec<Finding>,
    dropped: Dropped,
    n_merged: usize,
    n_unjudged: usize,
}

/// Reviews a diff. An error where the diff is none, the run was cancelled, or every agent failed.
pub(crate) fn review<S: Swarm>(task: &Task, classes: Classes, swarm: &mut S) -> Result<Report, Error> {
    let files = diff::parse(&task.diff).map_err(|error| Error::Invalid(error.to_string()))?;
    let mut plan = chunk::split(&files, task.token_budget);
    plan.keep(task.max_chunks, Reason::TooManyChunks);
    let mut crew = Crew::new(swarm, classes);
    crew.swarm.emit(Kind::Milestone, split(&plan, files.len()));
    let mut panel = panel::read(&mut plan, &task.about, &mut crew)?;
    let gates = gates(&mut panel, task, &mut crew)?;
    let opinion = ask_judge(&gates.findings, task, &mut crew)?;
    let gaps = gaps(&plan, &gates, opinion.as_ref(), &crew);
    let evidence = Evidence { findings: &gates.findings, opinion: opinion.as_ref(), gaps };
    let (verdict, reasons) = verdict::decide(evidence);
    let confidence = verdict::confidence(verdict, &gates.findings, &panel);
    crew.swarm.emit(
        Kind::GateResult,
        json!({ "gate": "verdict", "passed": verdict == Verdict::Pass, "verdict": verdict, "reasons": reasons }),
    );
    Ok(Report {
        verdict,
        reasons,
        findings: gates.findings,
        dropped: gates.dropped,
        merged: gates.n_merged,
        skipped: plan.skipped,
        missing: crew.missing,
        chunks: plan.chunks.len(),
        usage: crew.spent,
        confidence,
    })
}

/// Quotes, then one finding for what several say, then the critic.
fn gates<S: Swarm>(panel: &mut Panel, task: &Task, crew: &mut Crew<'_, S>) -> Result<Gates, Error> {
    let mut dropped = panel.dropped;
    let n_proposed = panel.n_valid + dropped.unfounded();
    crew.swarm.emit(Kind::GateCheck, json!({ "gate": "quotes", "findings": n_proposed }));
    crew.swarm.emit(
        Kind::GateResult,
        json!({ "gate": "quotes", "passed": panel.n_valid > 0, "findings": panel.n_valid, "dropped": dropped }),
    );
    let (mut findings, n_merged) = finding::merge(std::mem::take(&mut panel.findings));
    dropped.over_limit += findings.len().saturating_sub(task.max_findings);
    findings.truncate(task.max_findings);
    if findings.is_empty() || crew.exhausted.is_some() {
        let n_unjudged = findings.len();
        return Ok(Gates { findings, dropped, n_merged, n_unjudged });
    }
    crew.swarm.emit(Kind::GateCheck, json!({ "gate": "critic", "findings": findings.len() }));
    let Criticised { kept, n_dropped, n_unjudged } = critic::criticise(findings, task.token_budget, crew)?;
    dropped.by_critic = n_dropped;
    crew.swarm.emit(
        Kind::GateResult,
        json!({
            "gate": "critic", "passed": !kept.is_empty(), "findings": kept.len(), "dropped": n_dropped,
            "unjudged": n_unjudged,
        }),
    );
    Ok(Gates { findings: kept, dropped, n_merged, n_unjudged })
}

/// There is nothing to ask without a finding, and nobody without a budget.
fn ask_judge<S: Swarm>(findings: &[Finding], task: &Task, crew: &mut Crew<'_, S>) -> Result<Option<Opinion>, Error> {
    if findings.is_empty() || crew.exhausted.is_some() {
        return Ok(None);
    }
    crew.swarm.emit(Kind::GateCheck, json!({ "gate": "verdict", "findings": findings.len() }));
    judge::judge(findings, task.token_budget, crew)
}

fn split(plan: &Plan<'_>, n_files: usize) -> serde_json::Value {
    json!({
        "step": "split",
        "files": n_files,
        "chunks": plan.chunks.len(),
        "tokens": plan.chunks.iter().map(chunk::Chunk::tokens).sum::<usize>(),
        "skipped": plan.skipped.len(),
    })
}

/// What the review lacks to be whole.
fn gaps<S>(plan: &Plan<'_>, gates: &Gates, opinion: Option<&Opinion>, crew: &Crew<'_, S>) -> Vec<String> {
    let mut gaps = Vec::new();
    if let Some(scope) = &crew.exhausted {
        gaps.push(format!("a budget is used up: {scope}"));
    }
    if plan.chunks.is_empty() {
        gaps.push("nothing in the diff was reviewed".to_owned());
    }
    for role in Role::READERS {
        let n_missing = crew.missing.iter().filter(|missing| missing.role == role).count();
        if n_missing > 0 {
            gaps.push(format!("{role} gave no answer about {n_missing} of {} chunks", plan.chunks.len()));
        }
    }
    let n_lines: usize =
        plan.skipped.iter().filter(|skipped| skipped.reason.is_gap()).map(|skipped| skipped.lines).sum();
    if n_lines > 0 {
        gaps.push(format!("{n_lines} lines of the diff were not reviewed"));
    }
    if gates.n_unjudged > 0 {
        gaps.push(format!("the critic said nothing clear of {} findings", gates.n_unjudged));
    }
    match opinion {
        Some(opinion) if opinion.n_unseen > 0 => {
            gaps.push(format!("the judge did not see {} findings", opinion.n_unseen))
        }
        None if !gates.findings.is_empty() => gaps.push("the judge gave no verdict".to_owned()),
        _ => {}
    }
    gaps
}

#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
