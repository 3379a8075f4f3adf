use super::*;
use crate::{
    answer::Dropped,
    finding::Category,
    place::{FileSide, Place},
    role::Role,
};

fn finding(severity: Severity, found_by: &[Role], critic: bool) -> Finding {
    Finding {
        place: Place { file: "a".into(), side: FileSide::New, line: 1, quote: "q".into() },
        severity,
        category: Category::Correctness,
        message: "m".into(),
        suggestion: None,
        found_by: found_by.to_vec(),
        critic: critic.then(|| "it holds".into()),
        context: String::new(),
        n_readers: 3,
    }
}

fn opinion(verdict: Verdict) -> Opinion {
    Opinion { verdict, reason: "because".into(), n_unseen: 0 }
}

#[test]
fn a_verdict_needs_evidence() {
    use Severity::{Critical, High, Low, Medium};
    use Verdict::{ChangesRequested, Inconclusive, Pass};
    for (severities, judged, n_gaps, expected) in [
        // No valid finding: inconclusive, never pass.
        (&[][..], Some(Pass), 0, Inconclusive),
        (&[], Some(ChangesRequested), 0, Inconclusive),
        (&[], None, 0, Inconclusive),
        (&[Low], Some(Pass), 0, Pass),
        (&[Low, Low], Some(Pass), 0, Pass),
        // A pass over what matters is not believed.
        (&[Low, Medium], Some(Pass), 0, Inconclusive),
        (&[High], Some(Pass), 0, Inconclusive),
        (&[Critical, Low], Some(Pass), 0, Inconclusive),
        // Nor one of a review that is not whole.
        (&[Low], Some(Pass), 1, Inconclusive),
        (&[Low], Some(Inconclusive), 0, Inconclusive),
        (&[High], None, 1, Inconclusive),
        // What was found stands, also where something was left out.
        (&[Low], Some(ChangesRequested), 0, ChangesRequested),
        (&[High], Some(ChangesRequested), 2, ChangesRequested),
    ] {
        let findings: Vec<Finding> =
            severities.iter().map(|severity| finding(*severity, &[Role::Security], true)).collect();
        let opinion = judged.map(opinion);
        let gaps = vec!["something is missing".to_owned(); n_gaps];
        let (verdict, reasons) = decide(Evidence { findings: &findings, opinion: opinion.as_ref(), gaps });
        assert_eq!(verdict, expected, "{severities:?} {judged:?} {n_gaps}");
        let n_about_gaps = reasons.iter().filter(|reason| *reason == "something is missing").count();
        assert_eq!(n_about_gaps, n_gaps, "{reasons:?}");
    }
}

#[test]
fn confidence_is_counted() {
    let panel = |n_read, n_valid, not_in_diff| Panel {
        n_asked: 6,
        n_read,
        n_valid,
        dropped: Dropped { not_in_diff, ..Dropped::default() },
        ..Panel::default()
    };
    use Role::{Performance, Reviewer, Security};
    let all = finding(Severity::Low, &[Reviewer, Security, Performance], true);
    let one = finding(Severity::Low, &[Reviewer], true);
    let unjudged = finding(Severity::Low, &[Reviewer], false);
    for (findings, panel, expected) in [
        (vec![all.clone()], panel(6, 3, 0), 1.0),
        (vec![one.clone()], panel(6, 1, 0), 0.5),
        (vec![one.clone()], panel(3, 1, 0), 0.25),
        (vec![one.clone()], panel(6, 1, 3), 0.125),
        (vec![unjudged], panel(6, 1, 0), 0.25),
        (vec![all, one], panel(6, 4, 0), 0.75),
    ] {
        assert_eq!(confidence(Verdict::ChangesRequested, &findings, &panel), Some(expected));
        assert_eq!(confidence(Verdict::Inconclusive, &findings, &panel), None);
    }
}
