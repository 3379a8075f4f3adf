use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{Worker, chat_body, text, user};

fn format_of(schema: Value) -> Value {
    json!({ "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": schema } })
}

/// A hot answer, so that it is the grammar which holds it together and not the model.
fn answer<T: for<'a> Deserialize<'a>>(worker: &Worker, schema: Value, seed: u64) -> T {
    let answer = worker.chat(json!({
        "messages": user("Review this change and answer in JSON: `let x = y / 0;`"),
        "response_format": format_of(schema),
        "max_tokens": 400, "temperature": 1.5, "seed": seed,
    }));
    assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{answer}");
    serde_json::from_str(text(&answer)).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Low,
    High,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    #[expect(dead_code, reason = "that it parses is the test")]
    severity: Severity,
    line: i64,
    note: String,
}

#[test]
fn fits_an_object_with_an_enum_and_bounds() {
    let worker = Worker::shared();
    let schema = finding();
    for seed in 1..=3 {
        let finding: Finding = answer(&worker, schema.clone(), seed);
        assert!((1..=99).contains(&finding.line), "{finding:?}");
        assert!(finding.note.chars().count() <= 40, "{finding:?}");
    }
}

#[test]
fn fits_a_list_of_objects() {
    let worker = Worker::shared();
    let schema = json!({ "type": "array", "items": { "$ref": "#/$defs/finding" }, "minItems": 1, "maxItems": 3,
                         "$defs": { "finding": finding() } });
    let findings: Vec<Finding> = answer(&worker, schema, 7);
    assert!((1..=3).contains(&findings.len()));
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Verdict {
    Pass { pass: bool },
    Fail { reasons: Vec<String>, score: f64 },
}

#[test]
fn fits_one_of_two_forms() {
    let worker = Worker::shared();
    let schema = json!({ "anyOf": [
        { "type": "object", "properties": { "pass": { "const": true } }, "required": ["pass"],
          "additionalProperties": false },
        { "type": "object", "required": ["reasons", "score"], "additionalProperties": false, "properties": {
            "reasons": { "type": "array", "items": { "enum": ["unsafe", "slow", "wrong"] }, "maxItems": 4 },
            "score": { "type": "number", "minimum": 0, "maximum": 1 } } },
    ] });
    for seed in 1..=3 {
        match answer(&worker, schema.clone(), seed) {
            Verdict::Pass { pass } => assert!(pass),
            Verdict::Fail { reasons, score } => assert!(reasons.len() <= 4 && (0.0..=1.0).contains(&score)),
        }
    }
}

#[test]
fn answers_any_object_where_only_json_was_asked_for() {
    let worker = Worker::shared();
    let answer = worker.chat(json!({
        "messages": user("Answer in JSON: what is your name?"),
        "response_format": { "type": "json_object" }, "max_tokens": 200, "temperature": 0,
    }));
    if answer["choices"][0]["finish_reason"] == "stop" {
        assert!(serde_json::from_str::<Value>(text(&answer)).unwrap().is_object());
    } else {
        assert!(text(&answer).starts_with('{'));
    }
}

#[test]
fn refuses_a_schema_that_cannot_be() {
    let worker = Worker::shared();
    for schema in [
        json!({ "type": "string", "minLength": 5, "maxLength": 2 }),
        json!({ "type": "integer", "minimum": 5, "maximum": 2 }),
        json!({ "type": "nonsense" }),
        json!({ "$ref": "#/$defs/nowhere" }),
        json!({ "$ref": "http://127.0.0.1:1/schema.json" }),
        json!({ "type": "array", "uniqueItems": true }),
        json!(false),
        json!(7),
    ] {
        let body = chat_body(json!({ "response_format": format_of(schema.clone()) }));
        let (status, answer) = worker.post("/v1/chat/completions", &body);
        assert_eq!(status, 400, "{schema} {answer}");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
        assert_eq!(answer["error"]["param"], "response_format");
    }
}

fn finding() -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": ["severity", "line", "note"], "properties": {
        "severity": { "enum": ["low", "high"] },
        "line": { "type": "integer", "minimum": 1, "maximum": 99 },
        "note": { "type": "string", "maxLength": 40 },
    } })
}
