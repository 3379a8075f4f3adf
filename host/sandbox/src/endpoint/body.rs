use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use sophia_domain::{Fault, LimitKind};
use tokio::task::JoinHandle;
use wasmtime_wasi_http::{Error, WasiBody};

use super::tally::{Ended, Tally};

/// The body of an endpoint's answer. Owns what is left of the call: dropping it ends the guest.
pub struct EndpointBody {
    body: WasiBody,
    /// Bytes that may still come.
    left: u64,
    guest: Option<GuestTask>,
    tally: Arc<Tally>,
}

/// The guest that still runs behind a body, ended with it.
pub(super) struct GuestTask(pub(super) JoinHandle<()>);

impl EndpointBody {
    pub(super) fn new(body: WasiBody, limit: u64, guest: Option<GuestTask>, tally: Arc<Tally>) -> Self {
        Self { body, left: limit, guest, tally }
    }

    /// Ends the call, and has `over` called once with what it came to: at once where the guest is
    /// done, else when its store is gone. To be called when the body is no longer read.
    pub fn end(&mut self, over: impl FnOnce(Ended) + Send + 'static) {
        self.guest = None;
        match Arc::get_mut(&mut self.tally) {
            Some(tally) => over(tally.ended()),
            None => self.tally.when_over(Box::new(over)),
        }
    }
}

impl Body for EndpointBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(this.tally.fail(broken(&error))))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        let n_bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.remaining()).unwrap_or(u64::MAX));
        let Some(left) = this.left.checked_sub(n_bytes) else {
            this.guest = None;
            return Poll::Ready(Some(Err(this.tally.fail(Fault::Limit(LimitKind::Response)))));
        };
        this.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that ends early: the guest faulted, which the tally knows, or said so.
fn broken(error: &Error) -> Fault {
    Fault::Contract(format!("the answer's body broke off: {error}"))
}

impl Drop for GuestTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
