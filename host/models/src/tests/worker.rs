//! A worker that answers as a test says, and remembers what it was asked.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// How it answers.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// With a status, a header and a body.
    Status(u16, Option<(&'static str, &'static str)>, Value),
    /// With these pieces, each a frame of its own, and then as the end says.
    Pieces(Vec<Bytes>, End),
}

/// How a streamed body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Whole,
    /// The connection breaks.
    Broken,
    /// Nothing more comes, ever.
    Hanging,
}

/// What it answers; nothing where it answers as usual.
type Script = dyn Fn(&Seen) -> Option<Answer> + Send + Sync;

/// Stops when dropped.
pub(super) struct Worker {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

/// What a prompt of the tests is, as this worker counts.
pub(super) const PROMPT: u64 = 11;

impl Worker {
    /// Answers what `script` says. Where it says nothing it is a worker as it should be: it counts
    /// tokens, chats and embeds.
    pub(super) async fn start(script: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (script, remembered): (Arc<Script>, _) = (Arc::new(script), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, remembered) = (script.clone(), remembered.clone());
                tokio::spawn(serve(stream, remembered, script));
            }
        });
        Self { address, seen, task }
    }

    /// As it should be.
    pub(super) async fn well() -> Self {
        Self::start(|_| None).await
    }

    /// Answers chats so, and counts tokens as it should.
    pub(super) async fn chatting(answer: Answer) -> Self {
        Self::start(move |seen| (seen.path != "/tokenize").then(|| answer.clone())).await
    }

    /// Streams the bytes of a chat, for each call as they are in `current`, and then as the end says.
    pub(super) async fn streaming(current: Arc<Mutex<Vec<Bytes>>>, end: End) -> Self {
        let answer = move || Answer::Pieces(current.lock().unwrap().clone(), end);
        Self::start(move |seen| (seen.path != "/tokenize").then(&answer)).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it was asked at a path.
    pub(super) fn asked(&self, path: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.path == path).cloned().collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, remembered: Arc<Mutex<Vec<Seen>>>, script: Arc<Script>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (script, remembered) = (script.clone(), remembered.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let seen = Seen { path: head.uri.path().to_owned(), headers: head.headers, body };
            remembered.lock().unwrap().push(seen.clone());
            Ok::<_, Infallible>(respond(script(&seen).unwrap_or_else(|| usual(&seen))))
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn respond(answer: Answer) -> Response<BoxBody<Bytes, io::Error>> {
    let (status, header, pieces, end) = match answer {
        Answer::Status(status, header, body) => (status, header, vec![Bytes::from(body.to_string())], End::Whole),
        Answer::Pieces(pieces, end) => (200, None, pieces, end),
    };
    let frames = stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
    let body = match end {
        End::Whole => BodyExt::boxed(StreamBody::new(frames)),
        End::Broken => BodyExt::boxed(StreamBody::new(frames.chain(stream::once(break_off())))),
        End::Hanging => BodyExt::boxed(StreamBody::new(frames.chain(stream::pending()))),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// Waits until what came before is written.
async fn break_off() -> Result<Frame<Bytes>, io::Error> {
    tokio::task::yield_now().await;
    Err(io::Error::other("told to"))
}

fn usual(seen: &Seen) -> Answer {
    let body = &seen.body;
    match seen.path.as_str() {
        "/tokenize" => ok(json!({"count": PROMPT, "max_model_len": 4096, "tokens": vec![7; PROMPT as usize]})),
        "/v1/embeddings" => ok(embeddings(body)),
        _ if body["stream"] == true => Answer::Pieces(chat_events(3), End::Whole),
        _ => ok(chat("t0 t1 t2 ", json!({"prompt_tokens": PROMPT, "completion_tokens": 3, "total_tokens": 14}))),
    }
}

pub(super) fn ok(body: Value) -> Answer {
    Answer::Status(200, None, body)
}

/// A whole answer.
pub(super) fn chat(content: &str, usage: Value) -> Value {
    let message = json!({"role": "assistant", "content": content});
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "/weights/smol",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    })
}

fn embeddings(body: &Value) -> Value {
    let texts = body["input"].as_array().unwrap();
    let vector = |(index, text): (usize, &Value)| json!({"object": "embedding", "index": index, "embedding": [text.as_str().unwrap().len(), 0.25]});
    let data: Vec<Value> = texts.iter().enumerate().rev().map(vector).collect();
    json!({"object": "list", "model": "/weights/e", "data": data, "usage": {"prompt_tokens": 5, "total_tokens": 5}})
}

/// The events of a streamed answer of `n` tokens, each as a piece: the role, `t0 `, `t1 `…, the
/// end, what was used, `[DONE]`.
pub(super) fn chat_events(n: usize) -> Vec<Bytes> {
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}))];
    events.extend((0..n).map(|i| delta(json!({"content": format!("t{i} ")}))));
    events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), Value::Null));
    events
        .push(usage_event(json!({"prompt_tokens": PROMPT, "completion_tokens": n, "total_tokens": PROMPT + n as u64})));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

pub(super) fn delta(delta: Value) -> Bytes {
    chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null)
}

pub(super) fn usage_event(usage: Value) -> Bytes {
    chunk(json!([]), usage)
}

pub(super) fn chunk(choices: Value, usage: Value) -> Bytes {
    let chunk = json!({"id": "c", "model": "/weights/smol", "choices": choices, "usage": usage});
    Bytes::from(format!("data: {chunk}\n\n"))
}
