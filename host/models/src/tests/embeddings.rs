use serde_json::{Value, json};

use super::{
    worker::{Worker, ok},
    world::{World, about, exactly, worker},
};
use crate::{EmbedRequest, Embeddings, Encoding, ModelError};

async fn embed(world: &World, request: &str) -> Result<Embeddings, ModelError> {
    Ok(world.models.embed(&world.asker, &EmbedRequest::parse(request.as_bytes())?).await?)
}

#[tokio::test]
async fn gives_a_vector_for_each_text_in_order_as_the_caller_wants_them_written() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let embeddings =
        embed(&world, r#"{"model":"embed","input":["a","bcd"],"encoding_format":"base64"}"#).await.unwrap();
    assert_eq!(embeddings.vectors, [[1.0, 0.25], [3.0, 0.25]]);
    let sent = &server.asked("/v1/embeddings")[0].body;
    assert_eq!(*sent, json!({"model": "/weights/mini", "input": ["a", "bcd"], "encoding_format": "float"}));
    let json = embeddings.to_json(Encoding::Float).unwrap();
    assert_eq!(
        json,
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,0.25]},{"object":"embedding","index":1,"embedding":[3.0,0.25]}],"model":"mini","usage":{"prompt_tokens":5,"total_tokens":5}}"#
    );
    let base64: Value = serde_json::from_str(&embeddings.to_json(Encoding::Base64).unwrap()).unwrap();
    assert_eq!(base64["data"][1]["embedding"], "AABAQAAAgD4=");
    assert_eq!(world.bills().await, [exactly(5, 0)]);
    assert_eq!(world.charges().await[0].held.micros(), 2 * 8 + 4);
}

#[tokio::test]
async fn one_vector_too_few_is_no_answer_and_is_not_billed() {
    let short = json!({"data": [{"index": 0, "embedding": [1]}], "usage": {"prompt_tokens": 5}});
    let server = Worker::start(move |_| Some(ok(short.clone()))).await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let error = embed(&world, r#"{"model":"embed","input":["a","b"]}"#).await.unwrap_err();
    assert_eq!(error.to_openai().status, 502);
    assert_eq!(world.bills().await, []);
}

#[tokio::test]
async fn impossible_usage_is_brought_within_what_was_held_and_marked() {
    for (usage, billed) in [(json!({"prompt_tokens": 10}), about(9, 0)), (Value::Null, about(9, 0))] {
        let answer = json!({"data": [{"index": 0, "embedding": [1]}], "usage": usage});
        let server = Worker::start(move |_| Some(ok(answer.clone()))).await;
        let world = World::new(&worker("here", &server.url(), "")).await;
        embed(&world, r#"{"model":"mini","input":"a"}"#).await.unwrap();
        assert_eq!(world.bills().await, [billed]);
    }
}

#[tokio::test]
async fn a_large_batch_is_read_whole() {
    let server = Worker::well().await;
    let world = World::new(&worker("here", &server.url(), "")).await;
    let texts: Vec<String> = (0..2048).map(|n| "x".repeat(n % 7 + 1)).collect();
    // Long enough that it is not read on the async threads.
    let vector: Vec<f32> = (0..64).map(|n| n as f32 / 7.0).collect();
    let wide = move |seen: &super::worker::Seen| {
        let n = seen.body["input"].as_array().unwrap().len();
        let data: Vec<Value> = (0..n).map(|index| json!({"index": index, "embedding": vector})).collect();
        Some(ok(json!({"data": data, "usage": {"prompt_tokens": n}})))
    };
    let wide = Worker::start(wide).await;
    let wide_world = World::new(&worker("here", &wide.url(), "")).await;
    let request = json!({"model": "embed", "input": texts}).to_string();
    assert_eq!(embed(&world, &request).await.unwrap().vectors[2047], [(2047 % 7 + 1) as f32, 0.25]);
    let vectors = embed(&wide_world, &request).await.unwrap().vectors;
    assert_eq!((vectors.len(), vectors[2047][63]), (2048, 9.0));
}
