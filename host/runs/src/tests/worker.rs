//! A worker that answers every chat alike, or not at all.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

/// Stops when dropped.
pub(super) struct Worker {
    pub(super) address: SocketAddr,
    pub(super) mood: Arc<Mood>,
    task: JoinHandle<()>,
}

#[derive(Default)]
pub(super) struct Mood {
    pub(super) hangs: AtomicBool,
    pub(super) n_asked: AtomicUsize,
}

/// Tokens of a prompt and of an answer; at $1 a million of either, one micro-dollar each.
pub(super) const COST: u64 = 11 + 3;

impl Worker {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, mood) = (listener.local_addr().unwrap(), Arc::<Mood>::default());
        let shared = mood.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mood = shared.clone();
                let service = service_fn(move |request| answer(request, mood.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, mood, task }
    }

    /// Until so many chats were asked for.
    pub(super) async fn was_asked(&self, n: usize) {
        while self.mood.n_asked.load(SeqCst) < n {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: Request<Incoming>, mood: Arc<Mood>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
    mood.n_asked.fetch_add(1, SeqCst);
    if mood.hangs.load(SeqCst) {
        std::future::pending::<()>().await;
    }
    let last = asked["messages"].as_array().and_then(|messages| messages.last()).unwrap();
    let said = format!("about {}", last["content"].as_str().unwrap());
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14});
    let answer = json!({"id": "c", "object": "chat.completion", "model": "smol", "choices": [choice], "usage": usage});
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}
