//! Answers chats at once and always the same; streams send an event every few milliseconds, its
//! text the time at which it was sent. Stops when its stdin closes.

use std::{
    convert::Infallible,
    io::Read as _,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Events of a stream that carry a time.
const N_EVENTS: u32 = 60;

/// Slower than any event takes, so that each is on its way alone.
const PACE: Duration = Duration::from_millis(5);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Runs until it is killed or its stdin closes.
pub(crate) async fn run() -> Result<()> {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection ends with the load or with the process; there is nothing to drain.
        tokio::spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(respond)).await;
        });
    }
}

async fn respond(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_streamed = asked.get("stream").and_then(Value::as_bool).unwrap_or_default();
    let (kind, body) = if is_streamed { ("text/event-stream", events()) } else { ("application/json", whole()) };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    Ok(response)
}

fn whole() -> Body {
    let message = json!({"role": "assistant", "content": "It is as much as you like to give for it."});
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage(11),
    });
    Full::new(Bytes::from(answer.to_string())).boxed_unsync()
}

fn events() -> Body {
    let timed = stream::iter(0..N_EVENTS).then(|_| async {
        tokio::time::sleep(PACE).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        chunk(&json!([{"index": 0, "delta": {"content": format!("{} ", now.as_nanos())}}]), &Value::Null)
    });
    let last = [
        chunk(&json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), &Value::Null),
        chunk(&json!([]), &usage(N_EVENTS)),
        Bytes::from_static(b"data: [DONE]\n\n"),
    ];
    StreamBody::new(timed.chain(stream::iter(last)).map(|data| Ok(Frame::data(data)))).boxed_unsync()
}

fn chunk(choices: &Value, usage: &Value) -> Bytes {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, "usage": usage});
    format!("data: {chunk}\n\n").into()
}

fn usage(output: u32) -> Value {
    json!({"prompt_tokens": 20, "completion_tokens": output, "total_tokens": 20 + output})
}
