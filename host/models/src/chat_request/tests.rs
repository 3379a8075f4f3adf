use super::*;

fn parse(json: &str) -> Result<ChatRequest, (Option<String>, String)> {
    ChatRequest::parse(json.as_bytes()).map_err(|error| match error {
        ModelError::Invalid { param, message } => (param, message),
        other => panic!("{other:?}"),
    })
}

/// A request with these fields beside the two that each has.
fn with(fields: &str) -> Result<ChatRequest, (Option<String>, String)> {
    parse(&format!(r#"{{"model":"fast","messages":[{{"role":"user","content":"hello"}}]{fields}}}"#))
}

fn sent(request: &ChatRequest, kind: UpstreamKind, stream_options: Option<&Value>) -> String {
    let target = ChatTarget { model: "Smol", kind, max_output_tokens: 7, stream_options };
    String::from_utf8(request.body(&target).unwrap()).unwrap()
}

#[test]
fn sends_the_callers_fields_as_written_and_adds_no_null() {
    let request = with(r#","temperature":1.50,"n":1,"user":null,"max_tokens":99,"metadata":{"a":1},"seed":3"#).unwrap();
    assert_eq!((request.target(), request.max_output_tokens), ("fast", Some(99)));
    assert_eq!(
        sent(&request, UpstreamKind::Worker, None),
        r#"{"messages":[{"role":"user","content":"hello"}],"temperature":1.50,"seed":3,"model":"Smol","max_tokens":7}"#
    );
    assert!(sent(&request, UpstreamKind::Provider, None).ends_with(r#""max_completion_tokens":7}"#));
}

#[test]
fn a_stream_always_says_what_it_used_and_the_caller_sees_it_if_asked_for() {
    let quiet = with(r#","stream":true"#).unwrap();
    let asked = with(r#","stream":true,"stream_options":{"include_usage":true}"#).unwrap();
    assert_eq!((quiet.wants_usage, asked.wants_usage), (false, true));
    let options = serde_json::json!({"include_usage": true});
    for request in [quiet, asked] {
        let sent = sent(&request, UpstreamKind::Worker, Some(&options));
        assert!(sent.ends_with(r#""max_tokens":7,"stream":true,"stream_options":{"include_usage":true}}"#), "{sent}");
    }
}

#[test]
fn bounds_the_prompt_by_its_text() {
    let plain = with("").unwrap();
    assert_eq!(plain.prompt.tokens(), 256 + 64 + 5);
    let parts = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"he\u006c"},{"type":"text","text":"lo"}]}]}"#;
    assert_eq!(parse(parts).unwrap().prompt.tokens(), 256 + 64 + 4 + 3);
    let called = parse(r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[]}]}"#).unwrap();
    assert_eq!(called.prompt.tokens(), 256 + 64 + 64 + "tool_calls".len() as u64 + 2);
    assert!(with(r#","tools":[]"#).unwrap().prompt.tokens() > plain.prompt.tokens() + 1024);
}

#[test]
fn names_the_field_that_is_wrong() {
    for (fields, param, message) in [
        (r#","n":2"#, "n", "only one answer is made: `n` is 1"),
        (r#","max_tokens":0"#, "max_tokens", "`max_tokens` is a whole number from 1"),
        (r#","max_completion_tokens":-1"#, "max_completion_tokens", "`max_completion_tokens` is a whole number from 1"),
        (r#","stream":"yes""#, "stream", "`stream` is true or false"),
        (r#","temperature":2.1"#, "temperature", "`temperature` is a number from 0 to 2"),
        (r#","seed":1.5"#, "seed", "`seed` is a whole number of 64 bits"),
        (r#","stop":["a","b","c","d","e"]"#, "stop", "`stop` is a string, or a list of up to four"),
        (r#","stop":[7]"#, "stop", "`stop` is a string, or a list of up to four"),
        (
            r#","chat_template_kwargs":{"enable_thinking":false,"chat_template":"{{ x }}"}"#,
            "chat_template_kwargs",
            "`chat_template_kwargs` is an object of numbers, true and false",
        ),
        (r#","modalities":["audio"]"#, "modalities", "the field `modalities` is not served here"),
        (
            r#","response_format":{"type":"xml"}"#,
            "response_format",
            "`response_format` has a type of text, json_object or json_schema",
        ),
        (
            r#","response_format":{"type":"json_schema"}"#,
            "response_format",
            "`response_format` has a `json_schema.schema`",
        ),
        (
            r#","response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"text"}}}"#,
            "response_format",
            "this is no JSON Schema: `type` is one or some of string, number, integer, boolean, object, array and null, at `/type`",
        ),
    ] {
        assert_eq!(with(fields).unwrap_err(), (Some(param.to_owned()), message.to_owned()), "{fields}");
    }
}

#[test]
fn refuses_messages_that_cannot_be_bounded() {
    for (messages, param, message) in [
        ("[]", "messages", "there are 1 to 4096 messages"),
        ("7", "messages", "`messages` is a list of messages"),
        (
            r#"[{"role":"king","content":"x"}]"#,
            "messages[0]",
            "a message has a role, one of system, developer, user, assistant, tool, function",
        ),
        (r#"[{"role":"user","content":7}]"#, "messages[0]", "`content` is a text or a list of parts"),
        (
            r#"[{"role":"user","content":"x"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.example/x.png"}}]}]"#,
            "messages[1]",
            "only parts of type `text` are served, not `image_url`",
        ),
    ] {
        let error = parse(&format!(r#"{{"model":"m","messages":{messages}}}"#)).unwrap_err();
        assert_eq!(error, (Some(param.to_owned()), message.to_owned()), "{messages}");
    }
    assert_eq!(parse(r#"{"messages":[]}"#).unwrap_err().0.as_deref(), Some("model"));
    for json in ["", "[]", "{", r#"{"model":"a","model":"b"}"#] {
        assert_eq!(parse(json).unwrap_err().0, None, "{json}");
    }
}
