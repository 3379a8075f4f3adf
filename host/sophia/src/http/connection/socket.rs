use std::{
    io,
    mem::MaybeUninit,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Sleep};

use super::{activity::Activity, head};
use crate::{http::caller_body::DISCARD_TIME, node::Node};

/// A connection's socket. Its writes count as activity: a caller that reads a long answer is not
/// idle. What hyper writes by itself, to a request that it could not read, is replaced.
pub(super) struct Socket {
    io: TokioIo<TcpStream>,
    activity: Arc<Activity>,
    node: Arc<Node>,
    peer: IpAddr,
    refusal: Option<Refusal>,
}

/// The last answer of a connection, to a head that could not be read.
struct Refusal {
    /// What is still to be written of it.
    left: Bytes,
    /// Until when what still comes is read and thrown away, so that closing does not reset the
    /// connection, and the caller lose the answer.
    discard: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, peer: IpAddr, activity: Arc<Activity>, node: Arc<Node>) -> Self {
        Self { io: TokioIo::new(stream), activity, node, peer, refusal: None }
    }

    /// Whether these bytes, which are hyper's own, were taken and are not to be written.
    ///
    /// An answer of ours that is not yet flushed stands before them in the same write: then hyper's
    /// answer is left as it is.
    fn takes_over(&mut self, bytes: &[u8]) -> bool {
        if self.refusal.is_some() {
            return true;
        }
        if self.activity.is_answering() {
            return false;
        }
        let refused = head::refuse(&self.node, self.peer, bytes);
        self.refusal = refused.map(|left| Refusal { left, discard: None });
        self.refusal.is_some()
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(Ok(())) };
        while refusal.left.has_remaining() {
            let n_written = ready!(Pin::new(&mut self.io).poll_write(cx, &refusal.left))?;
            if n_written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            refusal.left.advance(n_written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until nothing more comes, or for too long.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(()) };
        let end = refusal.discard.get_or_insert_with(|| Box::pin(tokio::time::sleep(DISCARD_TIME)));
        while end.as_mut().poll(cx).is_pending() {
            let mut scratch = [const { MaybeUninit::uninit() }; 4 << 10];
            let mut buf = ReadBuf::uninit(&mut scratch);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf.unfilled()));
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.activity.happened();
        if self.takes_over(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.activity.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        self.poll_discard(cx).map(Ok)
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
        let first = bytes.iter().find(|slice| !slice.is_empty());
        if first.is_some_and(|first| self.takes_over(first)) {
            return Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()));
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }
}
