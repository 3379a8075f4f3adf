use serde_json::json;

use super::{
    worker::{PROMPT, Worker},
    world::{World, exactly, worker},
};
use crate::{CompletionEvent, CompletionRequest, Finish, Message, ModelError, Role};

fn request(class: &str, text: &str) -> CompletionRequest {
    CompletionRequest {
        class: class.into(),
        messages: vec![Message { role: Role::User, content: text.into() }],
        max_output_tokens: Some(9),
        temperature: Some(0.0),
        seed: Some(7),
        stop: vec!["\n".into()],
        schema: Some(r#"{"type":"object"}"#.into()),
    }
}

#[tokio::test]
async fn completes_by_class_with_what_the_contract_says() {
    let server = Worker::well().await;
    let mut world = World::new(&worker("here", &server.url(), "")).await;
    world.asker.plugin = Some("code-review".parse().unwrap());
    world.asker.run = Some("run-1".into());
    let completion = world.models.complete(&world.asker, request("fast", "hi")).await.unwrap();
    assert_eq!(
        (completion.content.as_str(), completion.finish, completion.model.as_str()),
        ("t0 t1 t2 ", Finish::Stop, "smol")
    );
    let sent = &server.asked("/v1/chat/completions")[0].body;
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": {"type": "object"}}});
    let expected = json!({
        "model": "/weights/smol", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9,
        "temperature": 0.0, "seed": 7, "stop": ["\n"], "response_format": format,
    });
    assert_eq!(*sent, expected);
    let charge = &world.charges().await[0];
    assert_eq!(charge.plugin, world.asker.plugin);
    assert_eq!(charge.run, world.asker.run);
    assert_eq!(charge.cost, completion.used.cost);
}

#[tokio::test]
async fn a_plugin_asks_by_class_and_never_by_model() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let unknown = |name: &str| ModelError::Unknown { name: name.into() };
    assert_eq!(world.models.complete(&world.asker, request("smol", "hi")).await, Err(unknown("smol")));
    let texts = world.models.embed_texts(&world.asker, "mini".into(), vec!["a".into()]).await;
    assert_eq!(texts, Err(unknown("mini")));
    assert!(world.models.embed_texts(&world.asker, "embed".into(), vec!["a".into()]).await.is_ok());
    assert_eq!(world.models.open_stream(&world.asker, request("ghost", "hi")).await.unwrap_err(), unknown("ghost"));
}

#[tokio::test]
async fn streams_text_and_then_the_whole() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let mut stream = world.models.open_stream(&world.asker, request("fast", "hi")).await.unwrap();
    let mut texts = Vec::new();
    let done = loop {
        match stream.next().await.unwrap() {
            Some(CompletionEvent::Delta(text)) => texts.push(text),
            Some(CompletionEvent::Done(completion)) => break completion,
            None => panic!("no end"),
        }
    };
    assert_eq!(texts, ["t0 ", "t1 ", "t2 "]);
    assert_eq!((done.content.as_str(), done.used.tokens.output), ("t0 t1 t2 ", 3));
    assert_eq!(stream.next().await, Ok(None));
    assert_eq!(world.bills().await, [exactly(PROMPT, 3)]);
}
