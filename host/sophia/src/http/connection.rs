//! One connection: HTTP/1.1 or HTTP/2 as the peer begins, ended when it is idle too long or the
//! node drains.
//!
//! Idleness is looked at every [`LOOK`], by what happened since the last look: that needs no
//! timer per request, and it ends at once silent peers, heads that arrive byte by byte, and
//! keep-alive connections that are no longer used.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::net::TcpStream;

use super::service::{self, Service};

/// Idle connections end after one to two of these.
const LOOK: Duration = Duration::from_secs(30);
/// Request heads and read buffer. Browsers and proxies stay below 16 KiB.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// More headers than any client sends.
const MAX_HEADERS: usize = 128;
/// Requests at once on one HTTP/2 connection; admission bounds them again.
const MAX_STREAMS: u32 = 256;

/// What happened on a connection. Shared by its task, its requests and its socket.
#[derive(Debug, Default)]
struct Activity {
    /// Requests that wait for their answer.
    n_open: AtomicU32,
    /// Requests begun and writes made, together.
    n_events: AtomicU64,
}

impl Activity {
    fn happened(&self) {
        self.n_events.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nothing happened since `seen`, which is brought up to date, and nothing is awaited.
    fn is_idle_since(&self, seen: &mut u64) -> bool {
        let now = self.n_events.load(Ordering::Relaxed);
        let is_same = std::mem::replace(seen, now) == now;
        is_same && self.n_open.load(Ordering::Relaxed) == 0
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, service: Arc<Service>) {
    let activity = Arc::new(Activity::default());
    let io = Socket { io: TokioIo::new(stream), activity: activity.clone() };
    let answer = {
        let (service, activity) = (service.clone(), activity.clone());
        service_fn(move |request: Request<Incoming>| {
            let open = OpenRequest::begin(&activity);
            let service = service.clone();
            async move {
                let response = service::handle(service, peer, request).await;
                drop(open);
                Ok::<_, std::convert::Infallible>(response)
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

/// Counts a request as open while it is answered.
struct OpenRequest(Arc<Activity>);

impl OpenRequest {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.happened();
        activity.n_open.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.n_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket whose writes count as activity: a caller that reads a long answer is not idle.
struct Socket {
    io: TokioIo<TcpStream>,
    activity: Arc<Activity>,
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.activity.happened();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.activity.happened();
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_idle_when_nothing_happened_and_nothing_is_awaited() {
        let activity = Arc::new(Activity::default());
        let mut seen = 0;
        assert!(activity.is_idle_since(&mut seen));
        let open = OpenRequest::begin(&activity);
        assert!(!activity.is_idle_since(&mut seen));
        assert!(!activity.is_idle_since(&mut seen));
        drop(open);
        assert!(activity.is_idle_since(&mut seen));
        activity.happened();
        assert!(!activity.is_idle_since(&mut seen));
    }
}
