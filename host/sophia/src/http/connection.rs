//! One connection: HTTP/1.1 or HTTP/2 as the peer begins, ended when it is idle too long or the
//! node drains.
//!
//! Idleness is looked at every [`LOOK`], by what happened since the last look: that needs no
//! timer per request, and it ends at once silent peers, heads that arrive byte by byte, and
//! keep-alive connections that are no longer used.

mod activity;
mod head;
mod socket;

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};
use tokio::net::TcpStream;

use self::{
    activity::{Activity, OpenRequest},
    socket::Socket,
};
use super::service::{self, Service};

/// Idle connections end after one to two of these.
const LOOK: Duration = Duration::from_secs(30);
/// Request heads and read buffer. Browsers and proxies stay below 16 KiB.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// More headers than any client sends.
const MAX_HEADERS: usize = 128;
/// Requests at once on one HTTP/2 connection; admission bounds them again.
const MAX_STREAMS: u32 = 256;

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, service: Arc<Service>) {
    let activity = Arc::new(Activity::default());
    let io = Socket::new(stream, peer.ip(), activity.clone(), service.node.clone());
    let answer = {
        let (service, activity) = (service.clone(), activity.clone());
        service_fn(move |request: Request<Incoming>| {
            let open = OpenRequest::begin(&activity);
            let service = service.clone();
            async move {
                let response = service::handle(service, peer, request).await;
                Ok::<_, std::convert::Infallible>(response.map(|body| open.answered(body)))
            }
        })
    };
    let builder = protocols();
    let mut connection = pin!(builder.serve_connection(io, answer));
    let mut drain = pin!(service.node.drain.notice());
    let mut look = pin!(tokio::time::sleep(LOOK));
    let (mut seen, mut is_closing, mut is_registered) = (0, false, false);

    // The task's waker stays the same, so the drain's notice needs one poll to know it; after
    // that a flag tells whether it came.
    let served = poll_fn(|cx| {
        if !is_registered {
            is_registered = true;
            let _ = drain.as_mut().poll(cx);
        }
        if !is_closing && service.node.drain.has_begun() {
            is_closing = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(served) = connection.as_mut().poll(cx) {
            return Poll::Ready(served.map_err(|error| tracing::debug!(%peer, error, "a connection broke")));
        }
        while look.as_mut().poll(cx).is_ready() {
            if activity.is_idle_since(&mut seen) {
                return Poll::Ready(Ok(()));
            }
            look.as_mut().reset(tokio::time::Instant::now() + LOOK);
        }
        Poll::Pending
    });
    // An error was logged; the connection is over in any case.
    let _ = served.await;
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().half_close(true).max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX));
    builder
}
