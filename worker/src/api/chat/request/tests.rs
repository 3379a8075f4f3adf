use expect_test::{Expect, expect};

use super::*;

fn check(fields: Value, expected: Expect) {
    expected.assert_eq(&told(fields));
}

/// What becomes of a request with one user message and these fields.
fn told(fields: Value) -> String {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    match serde_json::from_value(body).map(ChatRequest::check) {
        Ok(Ok(ChatRequest { messages, max_tokens, sampling, stops, schema, stream, .. })) => {
            let Sampling { temperature, top_p, penalties, seed } = sampling;
            let seed = if fields.get("seed").is_some() { seed } else { 0 };
            format!(
                "{messages:?} {max_tokens:?} {temperature} {top_p} {penalties:?} {seed} {stops:?} {} {stream:?}",
                schema.unwrap_or_default()
            )
        }
        Ok(Err(error)) => error.body().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn takes_the_defaults_of_openai() {
    check(json!({}), expect![[""]]);
    check(json!({ "temperature": null, "stop": null, "unheard_of": [1] }), expect![[""]]);
}

#[test]
fn takes_what_was_asked() {
    check(
        json!({
            "messages": [
                { "role": "developer", "content": "a" },
                { "role": "user", "content": [{ "type": "text", "text": "b" }, { "type": "text", "text": "c" }] },
                { "role": "assistant", "content": null },
            ],
            "max_tokens": 5, "max_completion_tokens": 6, "temperature": 0, "top_p": 0.5, "seed": -1,
            "stop": ["x", "y"], "stream": true, "stream_options": { "include_usage": true },
            "response_format": { "type": "json_object" }, "n": 1, "tools": [], "frequency_penalty": 0.5,
        }),
        expect![[""]],
    );
}

#[test]
fn refuses_what_cannot_be() {
    let refused = [
        ("messages", json!([])),
        ("messages", json!([{ "role": "user" }])),
        ("messages", json!([{ "role": "robot", "content": "a" }])),
        ("messages", json!([{ "role": "user", "content": 5 }])),
        ("messages", json!([{ "role": "user", "content": [{ "type": "image_url" }] }])),
        ("max_tokens", json!(0)),
        ("max_tokens", json!(-1)),
        ("temperature", json!(2.1)),
        ("temperature", json!("hot")),
        ("top_p", json!(0)),
        ("stop", json!("")),
        ("stop", json!(["a", "b", "c", "d", "e"])),
        ("stop", json!(7)),
        ("stream_options", json!({})),
        ("response_format", json!({ "type": "yaml" })),
        ("response_format", json!({ "type": "json_schema", "json_schema": { "name": "a" } })),
        ("n", json!(2)),
        ("logprobs", json!(true)),
        ("logit_bias", json!({ "5": 1 })),
        ("tools", json!([{}])),
        ("presence_penalty", json!(3)),
    ];
    let told: Vec<String> = refused.into_iter().map(|(field, value)| told(json!({ field: value }))).collect();
    expect![[""]].assert_eq(&told.join("\n"));
}
