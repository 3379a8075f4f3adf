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
    check(
        json!({}),
        expect![[
            r#"[Message { role: User, content: "hi" }] None 1 1 Penalties { presence: 0.0, frequency: 0.0 } 0 [] null None"#
        ]],
    );
    check(
        json!({ "temperature": null, "stop": null, "unheard_of": [1] }),
        expect![[
            r#"[Message { role: User, content: "hi" }] None 1 1 Penalties { presence: 0.0, frequency: 0.0 } 0 [] null None"#
        ]],
    );
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
        expect![[
            r#"[Message { role: System, content: "a" }, Message { role: User, content: "b\nc" }, Message { role: Assistant, content: "" }] Some(6) 0 0.5 Penalties { presence: 0.0, frequency: 0.5 } 18446744073709551615 ["x", "y"] {"type":"object"} Some(Included)"#
        ]],
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
    expect![[r#"
        {"error":{"message":"must hold at least one message","type":"invalid_request_error","param":"messages","code":null}}
        {"error":{"message":"must be there","type":"invalid_request_error","param":"messages[0].content","code":null}}
        unknown variant `robot`, expected one of `system`, `developer`, `user`, `assistant`, `tool`
        must be a text or a list of parts
        {"error":{"message":"this model takes parts of type `text` only","type":"invalid_request_error","param":"messages[0].content","code":"unsupported_value"}}
        {"error":{"message":"must be at least 1","type":"invalid_request_error","param":"max_tokens","code":null}}
        invalid value: integer `-1`, expected usize
        {"error":{"message":"must be 0 to 2","type":"invalid_request_error","param":"temperature","code":null}}
        invalid type: string "hot", expected f32
        {"error":{"message":"must be over 0 and at most 1","type":"invalid_request_error","param":"top_p","code":null}}
        {"error":{"message":"must be at most 4 texts of 1 to 1000 bytes","type":"invalid_request_error","param":"stop","code":null}}
        {"error":{"message":"must be at most 4 texts of 1 to 1000 bytes","type":"invalid_request_error","param":"stop","code":null}}
        must be a text or a list of texts
        {"error":{"message":"is for requests with `stream: true`","type":"invalid_request_error","param":"stream_options","code":null}}
        unknown variant `yaml`, expected one of `text`, `json_object`, `json_schema`
        {"error":{"message":"must be there","type":"invalid_request_error","param":"response_format.json_schema.schema","code":null}}
        {"error":{"message":"must be 1: send as many requests as answers are wanted","type":"invalid_request_error","param":"n","code":"unsupported_value"}}
        {"error":{"message":"this worker does not report them","type":"invalid_request_error","param":"logprobs","code":"unsupported_value"}}
        {"error":{"message":"this worker does not apply it","type":"invalid_request_error","param":"logit_bias","code":"unsupported_value"}}
        {"error":{"message":"this model does not call tools","type":"invalid_request_error","param":"tools","code":"unsupported_value"}}
        {"error":{"message":"must be -2 to 2","type":"invalid_request_error","param":"presence_penalty","code":null}}"#]].assert_eq(&told.join("\n"));
}
