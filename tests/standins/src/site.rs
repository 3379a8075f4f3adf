use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

/// Why a stand-in does not start.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// No socket.
    #[error("cannot listen on the loopback interface")]
    Listen(#[from] io::Error),
    /// No certificate.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A key that rustls does not take.
    #[error("cannot use the certificate's key")]
    Key,
    /// A certificate that rustls does not take.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// Whether a site speaks TLS.
pub enum Tls {
    /// Plain HTTP.
    Off,
    /// With a certificate; see [`crate::Authority::server_config`].
    On(Arc<rustls::ServerConfig>),
}

/// One request as it arrived, and what it was answered with.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its path and query; with an authority where the client sent one.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
    /// The status it got, none where the connection was broken off or is not answered yet.
    pub status: Option<u16>,
}

impl Seen {
    /// A header's text, where it has one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a handler does with a request.
pub enum Answer {
    /// An answer with its whole body.
    Whole(Response<Bytes>),
    /// An answer that promises the whole body, sends the first half and breaks the connection.
    Half(Response<Bytes>),
    /// Nothing: the connection is broken off.
    Reset,
    /// Nothing, and the connection stays open until the site stops.
    Stall,
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Handler = Arc<dyn Fn(Seen) -> Answering + Send + Sync>;
type Body = BoxBody<Bytes, io::Error>;

/// A running HTTP server on a free loopback port. Stops, connections included, when dropped.
pub struct Site {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: JoinHandle<()>,
}

impl Site {
    /// Starts one on the current tokio runtime.
    pub async fn start<F>(tls: Tls, handler: impl Fn(Seen) -> F + Send + Sync + 'static) -> Result<Self, SiteError>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::default();
        let tls = match tls {
            Tls::Off => None,
            Tls::On(config) => Some(TlsAcceptor::from(config)),
        };
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let accepting = tokio::spawn(accept(listener, tls, handler, Arc::clone(&seen)));
        Ok(Self { address, seen, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order in which they were answered or given up.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.seen).clear();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The connections live in a `JoinSet` inside this task and go with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, tls.clone(), Arc::clone(&handler), Arc::clone(&seen)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, handler: Handler, seen: Arc<Mutex<Vec<Seen>>>) {
    let service = service_fn(move |request| respond(request, Arc::clone(&handler), Arc::clone(&seen)));
    let server = auto::Builder::new(TokioExecutor::new());
    // A client that went away, or a fault that was asked for, ends the connection: both are
    // what a stand-in is there for, so the error is not news.
    let _ended = match tls {
        None => server.serve_connection(TokioIo::new(stream), service).await.is_ok(),
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => server.serve_connection(TokioIo::new(stream), service).await.is_ok(),
            Err(_) => false,
        },
    };
}

async fn respond(
    request: Request<Incoming>,
    handler: Handler,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut request = Seen { method: head.method, uri: head.uri, headers: head.headers, body, status: None };
    let answer = handler(request.clone()).await;
    if let Answer::Whole(response) | Answer::Half(response) = &answer {
        request.status = Some(response.status().as_u16());
    }
    lock(&seen).push(request);
    match answer {
        Answer::Whole(response) => Ok(response.map(|body| Full::new(body).map_err(absurd).boxed())),
        Answer::Half(response) => Ok(halved(response)),
        Answer::Reset => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        Answer::Stall => std::future::pending().await,
    }
}

fn halved(mut response: Response<Bytes>) -> Response<Body> {
    let length = response.body().len();
    response.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    response.map(|body| {
        let half = body.slice(..length / 2);
        let pieces = futures::stream::once(async { Ok(Frame::data(half)) }).chain(futures::stream::once(async {
            // One turn for hyper to send what it has: an error right behind would take the head with it.
            tokio::task::yield_now().await;
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        }));
        BodyExt::boxed(StreamBody::new(pieces))
    })
}

fn absurd(never: Infallible) -> io::Error {
    match never {}
}

/// A lock whose holder panicked still guards a list of requests that is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
