//! Vendors that answer as a test says, and remember what they were sent.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Stops when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Speaks HTTP.
    pub(super) async fn start(answer: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static) -> Self {
        Self::over(answer, |stream| async { Some(stream) }).await
    }

    /// Speaks HTTP over whatever `wrap` makes of a connection.
    pub(super) async fn over<S, F>(
        answer: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (remembered, counted) = (seen.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                if let Some(stream) = wrap(stream).await {
                    tokio::spawn(serve(stream, answer.clone(), remembered.clone()));
                }
            }
        });
        Self { address, seen, connections, task }
    }

    /// Writes bytes to each connection after its first read, whatever was asked, and keeps it open.
    pub(super) async fn raw(bytes: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
                stream.write_all(bytes).await.unwrap();
                open.push(stream);
            }
        });
        Self { address, seen: Arc::default(), connections: Arc::default(), task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    answer: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static,
    remembered: Arc<Mutex<Vec<Seen>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, remembered) = (answer.clone(), remembered.clone());
        async move {
            let (head, body) = request.into_parts();
            let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            // A body may break off on purpose.
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let seen = Seen { method: head.method, target, headers: head.headers, body };
            remembered.lock().unwrap().push(seen.clone());
            Ok::<_, Infallible>(answer(&seen))
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

pub(super) fn text(body: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(body.into()).boxed())
}

pub(super) fn with_header(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    answer.headers_mut().append(name, value.parse().unwrap());
    answer
}

pub(super) fn redirect(status: u16, location: &str) -> Answer {
    let mut answer = with_header(text("moved"), header::LOCATION.as_str(), location);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

/// Sent chunk by chunk, without a length.
pub(super) fn chunks(chunks: Vec<Bytes>) -> Answer {
    let frames = stream::iter(chunks).map(|chunk| Ok(Frame::data(chunk)));
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

/// A first piece, then nothing, ever.
pub(super) fn stalled(first: &'static str) -> Answer {
    let frames = stream::iter([Ok(Frame::data(Bytes::from_static(first.as_bytes())))]).chain(stream::pending());
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}
