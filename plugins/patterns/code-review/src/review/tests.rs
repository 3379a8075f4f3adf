use serde_json::json;
use sophia_sdk::UpstreamError;

use super::{
    script::{Script, findings, verdicts},
    *,
};
use crate::task::About;

const DIFF: &str = "\
diff --git a/src/pay.rs b/src/pay.rs
--- a/src/pay.rs
+++ b/src/pay.rs
@@ -7,3 +7,3 @@ fn pay(order: &Order) {
 let total = order.total();
-charge(total)?;
+charge(total).unwrap();
 log(total);
";

fn task(diff: &str) -> Task {
    Task { diff: diff.to_owned(), about: About::default(), max_findings: 20, token_budget: 1_000, max_chunks: 64 }
}

fn classes() -> Classes {
    Classes { readers: "fast".into(), judges: "quality".into() }
}

fn run(script: &mut Script) -> Report {
    review(&task(DIFF), classes(), script).unwrap()
}

/// Two readers find the same, the critic keeps it, the judge wants it mended.
fn agreed() -> Script {
    Script::new()
        .says("reviewer", findings(&[("+charge(total).unwrap();", "high")]))
        .says("security", findings(&[("charge(total).unwrap();", "medium"), ("nothing like it", "critical")]))
        .says("critic", verdicts(&[true]))
        .says("judge", json!({ "verdict": "changes-requested", "reason": "it panics" }))
}

fn upstream() -> Error {
    Error::Upstream(UpstreamError { status: Some(503), message: "busy".into() })
}

#[test]
fn what_stands_in_the_diff_is_found() {
    let mut script = agreed();
    let report = run(&mut script);
    assert_eq!(report.verdict, Verdict::ChangesRequested);
    assert_eq!(report.reasons, ["judge: it panics"]);
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    assert_eq!((finding.place.line, finding.place.quote.as_str()), (8, "charge(total).unwrap();"));
    assert_eq!(finding.found_by, [Role::Reviewer, Role::Security]);
    assert_eq!((report.dropped.not_in_diff, report.merged, report.chunks), (1, 1, 1));
    // All answered; two of three quotes stood; two roles and the critic of four speak for it.
    assert_eq!(report.confidence, Some(2.0 / 3.0 * 0.75));
    assert_eq!(script.calls, [3, 1, 1]);
    let spent = Spent { agents: 5, input_tokens: 500, output_tokens: 50, cached_tokens: 5, cost_micro_usd: 35 };
    assert_eq!(report.usage, spent);
    let class_of = |role: &str| script.asked.iter().find(|agent| agent.role == role).map(|agent| agent.class.as_str());
    assert_eq!((class_of("reviewer"), class_of("judge")), (Some("fast"), Some("quality")));
}

#[test]
fn the_outcome_has_the_shape_that_is_described() {
    let report = serde_json::to_value(run(&mut agreed())).unwrap();
    let described = crate::description::describe().operations[0].outcome.parse::<serde_json::Value>().unwrap();
    for name in described["required"].as_array().unwrap() {
        assert!(!report[name.as_str().unwrap()].is_null(), "{name}");
    }
    let expected = json!({
        "file": "src/pay.rs", "side": "new", "line": 8, "quote": "charge(total).unwrap();", "severity": "high",
        "category": "correctness", "message": "wrong: +charge(total).unwrap();", "critic": "looked at it",
        "found_by": ["reviewer", "security"],
    });
    assert_eq!(report["findings"], json!([expected]));
    assert_eq!((&report["verdict"], &report["dropped"]["not_in_diff"]), (&json!("changes-requested"), &json!(1)));
}

#[test]
fn people_see_the_gates() {
    let mut script = agreed();
    run(&mut script);
    let seen: Vec<String> = script
        .events
        .iter()
        .map(|(kind, event)| format!("{kind} {}", event.get("gate").or(event.get("step")).unwrap().as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            "milestone split",
            "milestone read",
            "gate_check quotes",
            "gate_result quotes",
            "gate_check critic",
            "gate_result critic",
            "gate_check verdict",
            "gate_result verdict",
        ]
    );
    assert!(script.events.iter().all(|(kind, _)| !kind.is_of_host()));
}

#[test]
fn a_pass_needs_a_finding_that_was_looked_at() {
    let passes = |reader: serde_json::Value, keeps: &[bool]| {
        run(&mut Script::new().says("reviewer", reader).says("critic", verdicts(keeps))).verdict
    };
    assert_eq!(passes(findings(&[("log(total);", "low")]), &[true]), Verdict::Pass);
    // Nothing found, nothing that stands, nothing that the critic keeps: nothing shows that anybody read.
    assert_eq!(passes(findings(&[]), &[]), Verdict::Inconclusive);
    assert_eq!(passes(findings(&[("log(totals);", "low")]), &[true]), Verdict::Inconclusive);
    assert_eq!(passes(findings(&[("log(total);", "low")]), &[false]), Verdict::Inconclusive);
    assert_eq!(passes(findings(&[("log(total);", "low")]), &[]), Verdict::Inconclusive);
    assert_eq!(passes(findings(&[("log(total);", "high")]), &[true]), Verdict::Inconclusive);
}

#[test]
fn without_a_finding_nobody_else_is_asked() {
    let mut script = Script::new();
    let report = run(&mut script);
    assert_eq!(report.reasons, ["no finding stands that quotes the diff"]);
    assert_eq!((script.n_asked("critic"), script.n_asked("judge")), (0, 0));
    assert_eq!(report.confidence, None);
}

#[test]
fn the_critic_adds_nothing() {
    let report = run(&mut agreed().says("critic", verdicts(&[true, true, true, false])));
    assert_eq!((report.findings.len(), report.dropped.by_critic), (1, 0));
}

#[test]
fn answers_that_are_none_are_noted() {
    for text in [
        "I found no problems.",
        "[]",
        r#"{"findings": "none"}"#,
        r#"{"findings":[{"file":"src/pay"#,
        &"x".repeat(1 << 20),
    ] {
        let report = run(&mut agreed().answers("performance", vec![Ok(text.to_owned())]));
        let missing = Missing { role: Role::Performance, part: 1, reason: "unreadable", detail: String::new() };
        assert_eq!((report.missing, report.findings.len()), (vec![missing], 1));
        assert!(
            report.reasons.contains(&"performance gave no answer about 1 of 1 chunks".to_owned()),
            "{:?}",
            report.reasons
        );
    }
    let all = |script: Script, text: &str| {
        Role::READERS.iter().fold(script, |script, role| script.answers(role.as_str(), vec![Ok(text.to_owned())]))
    };
    let report = run(&mut all(Script::new(), "no JSON"));
    assert_eq!((report.verdict, report.missing.len()), (Verdict::Inconclusive, 3));
}

#[test]
fn endless_findings_become_one() {
    let endless = findings(&vec![("charge(total).unwrap();", "low"); 300]);
    let report = run(&mut agreed().says("performance", endless));
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.dropped.over_limit, report.merged), (284, 17));
}

#[test]
fn no_more_findings_than_were_asked_for() {
    let quotes = [("log(total);", "low"), ("charge(total)?;", "medium"), ("charge(total).unwrap();", "high")];
    let mut script = agreed().says("reviewer", findings(&quotes)).says("critic", verdicts(&[true, true]));
    let task = Task { max_findings: 2, ..task(DIFF) };
    let report = review(&task, classes(), &mut script).unwrap();
    let lines: Vec<u32> = report.findings.iter().map(|finding| finding.place.line).collect();
    assert_eq!((lines, report.dropped.over_limit), (vec![8, 8], 1));
}

#[test]
fn a_role_that_fails_is_missing_and_nothing_passes() {
    for (error, reason) in [
        (upstream(), "upstream"),
        (Error::TimedOut, "timed-out"),
        (Error::Limited(Some(100)), "limited"),
        (Error::Unavailable("no worker".into()), "unavailable"),
    ] {
        let low = Script::new().says("reviewer", findings(&[("log(total);", "low")])).says("critic", verdicts(&[true]));
        let report = run(&mut low.fails("security", error));
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert_eq!((report.missing[0].role, report.missing[0].reason), (Role::Security, reason));
        assert!(report.reasons.iter().any(|text| text.contains("security gave no answer")), "{:?}", report.reasons);
    }
    // What the others found still asks for changes.
    let report = run(&mut agreed().fails("performance", upstream()));
    assert_eq!(report.verdict, Verdict::ChangesRequested);
    // Two of three were there.
    assert_eq!(report.confidence, Some(2.0 / 3.0 * (2.0 / 3.0) * 1.0));
}

#[test]
fn without_critic_or_judge_nothing_passes() {
    let low = || Script::new().says("reviewer", findings(&[("log(total);", "low")]));
    let report = run(&mut low().fails("critic", upstream()));
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Inconclusive, 1));
    let report = run(&mut low().says("critic", verdicts(&[true])).fails("judge", upstream()));
    assert_eq!(report.reasons, ["the judge gave no verdict"]);
    assert_eq!(report.verdict, Verdict::Inconclusive);
}

#[test]
fn when_all_fail_the_run_fails() {
    let all = |error: Error| {
        Role::READERS.iter().fold(Script::new(), |script, role| script.fails(role.as_str(), error.clone()))
    };
    for error in [upstream(), Error::Denied("model class fast".into()), Error::TimedOut] {
        assert_eq!(review(&task(DIFF), classes(), &mut all(error.clone())).unwrap_err(), error);
    }
    let report = run(&mut all(Error::Exhausted("run".into())));
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(report.reasons.contains(&"a budget is used up: run".to_owned()), "{:?}", report.reasons);
}

#[test]
fn a_cancelled_run_ends_at_once() {
    let mut script = agreed().fails("security", Error::Cancelled);
    assert_eq!(review(&task(DIFF), classes(), &mut script).unwrap_err(), Error::Cancelled);
    assert_eq!(script.calls, [3]);
}

/// Ten chunks of a file whose every line is its own.
fn long_diff() -> String {
    let lines: String = (1..=100).map(|n| format!("+line {n:080}\n")).collect();
    format!("--- a/src/pay.rs\n+++ b/src/pay.rs\n@@ -0,0 +1,100 @@\n{lines}")
}

#[test]
fn a_large_diff_is_read_in_parts() {
    let task = Task { token_budget: 500, ..task(&long_diff()) };
    let quote = format!("line {:080}", 57);
    let mut script = agreed().says("reviewer", findings(&[(&quote, "high")])).says("security", findings(&[]));
    let report = review(&task, classes(), &mut script).unwrap();
    assert_eq!(report.chunks, 10);
    assert_eq!(script.calls, [12, 12, 6, 1, 1]);
    // It stood in one part only: the others did not show it.
    assert_eq!((report.findings.len(), report.findings[0].place.line), (1, 57));
    assert_eq!(report.dropped.not_in_diff, 9);
}

#[test]
fn no_more_parts_are_read_than_were_asked_for() {
    let task = Task { token_budget: 500, max_chunks: 2, ..task(&long_diff()) };
    let mut script = agreed();
    let report = review(&task, classes(), &mut script).unwrap();
    assert_eq!((report.chunks, script.calls), (2, vec![6]));
    assert_eq!((report.skipped[0].reason, report.skipped[0].lines), (Reason::TooManyChunks, 80));
    assert!(report.reasons.contains(&"80 lines of the diff were not reviewed".to_owned()), "{:?}", report.reasons);
}

#[test]
fn a_budget_that_runs_out_leaves_what_was_found() {
    let task = Task { token_budget: 500, ..task(&long_diff()) };
    let quote = format!("line {:080}", 3);
    let found = findings(&[(&quote, "high")]).to_string();
    let mut answers = vec![Ok(found); 5];
    answers.push(Err(Error::Exhausted("run".into())));
    let mut script = Script::new().answers("reviewer", answers);
    let report = review(&task, classes(), &mut script).unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Inconclusive, 1));
    // The second batch was the last; nobody was asked after it.
    assert_eq!((script.calls, report.chunks), (vec![12, 12], 8));
    assert_eq!((report.skipped[0].reason, report.skipped[0].lines), (Reason::NotReached, 20));
    assert!(report.reasons.contains(&"a budget is used up: run".to_owned()), "{:?}", report.reasons);
}

#[test]
fn each_agent_has_a_share_of_the_budget() {
    let mut script = agreed();
    script.remaining = Some(1_000);
    run(&mut script);
    let budgets: Vec<u64> = script.asked.iter().map(|agent| agent.budget.unwrap().micro_usd).collect();
    assert_eq!(budgets, [200, 200, 200, 333, 333]);
}

#[test]
fn a_diff_with_nothing_to_read_is_inconclusive() {
    let mut script = Script::new();
    let diff = "diff --git a/x.sh b/x.sh\nold mode 100644\nnew mode 100755\n";
    let report = review(&task(diff), classes(), &mut script).unwrap();
    assert_eq!((report.verdict, report.chunks, script.calls.len()), (Verdict::Inconclusive, 0, 0));
    assert_eq!(report.skipped[0].reason, Reason::NoLines);
}

#[test]
fn what_is_no_diff_is_the_callers_mistake() {
    for (diff, expected) in
        [("", "line 1 of the diff"), ("--- a/n\n+++ b/n\n@@ -1 +1 @@\n-a\n*b\n", "line 5 of the diff")]
    {
        let Err(Error::Invalid(text)) = review(&task(diff), classes(), &mut Script::new()) else { panic!("{diff}") };
        assert!(text.starts_with(expected), "{text}");
    }
}
