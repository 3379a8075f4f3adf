//! The body of an answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use sophia_ledger::Pass;
use sophia_sandbox::EndpointBody;

use super::{exchange::Exchange, model_stream::ModelStream};
use crate::admission::Permit;

/// One per answer.
pub(crate) enum Body {
    /// At hand. What the data path and every problem answers with.
    Full(Bytes),
    /// From a guest that may still run.
    Guest(Box<GuestStream>),
    /// From a model that generates.
    Model(ModelStream),
    /// From the control API.
    Control {
        /// What it writes.
        body: axum::body::Body,
        /// The request's place among the calls at once, until the last byte, where a limit counts them.
        _pass: Option<Arc<Pass>>,
    },
}

/// A guest's body with what must live as long: its place among the running calls, and the
/// request's account, which is closed when the last byte is gone or the caller is, and the guest
/// with them.
pub(crate) struct GuestStream {
    body: EndpointBody,
    account: Option<Account>,
    n_sent: u64,
    _permit: Permit,
}

/// An account that is open while the answer streams.
struct Account {
    exchange: Exchange,
    status: u16,
    /// When the answer's head was handed over. What passes since is the guest's time and the caller's.
    since: Instant,
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The guest faulted behind its answer's head.
    #[error("the plugin's answer broke off")]
    Guest(#[source] sophia_domain::Fault),
    /// The control API's body failed.
    #[error("the answer broke off")]
    Control(#[source] axum::Error),
}

impl Body {
    /// A guest's body.
    pub(crate) fn guest(body: EndpointBody, permit: Permit) -> Self {
        Self::Guest(Box::new(GuestStream { body, account: None, n_sent: 0, _permit: permit }))
    }

    /// Bytes, where they are known.
    pub(crate) fn len(&self) -> Option<u64> {
        HttpBody::size_hint(self).exact()
    }
}

impl GuestStream {
    /// Hands over the account, to be closed with the body.
    pub(crate) fn account(&mut self, exchange: Exchange, status: u16) {
        self.account = Some(Account { exchange, status, since: Instant::now() });
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Guest(stream) => stream.poll_frame(cx),
            Self::Model(stream) => stream.poll_event(cx).map(|event| event.map(|event| Ok(Frame::data(event)))),
            Self::Control { body, .. } => Pin::new(body).poll_frame(cx).map_err(BodyError::Control),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Guest(stream) => stream.body.is_end_stream(),
            Self::Model(_) => false,
            Self::Control { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Guest(stream) => stream.body.size_hint(),
            Self::Model(_) => SizeHint::default(),
            Self::Control { body, .. } => body.size_hint(),
        }
    }
}

impl GuestStream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let n_bytes = frame.data_ref().map_or(0, Buf::remaining);
                self.n_sent = self.n_sent.saturating_add(u64::try_from(n_bytes).unwrap_or(u64::MAX));
                Some(Ok(frame))
            }
            Some(Err(fault)) => Some(Err(BodyError::Guest(fault))),
            None => None,
        })
    }
}

impl Drop for GuestStream {
    fn drop(&mut self) {
        let Some(Account { mut exchange, status, since }) = self.account.take() else { return };
        exchange.waited(since.elapsed());
        let (n_sent, wall) = (self.n_sent, exchange.wall());
        // The node waits for the account when it stops: the guest may go a moment later.
        let token = exchange.node.tasks.token();
        self.body.end(move |ended| {
            exchange.close_streamed(ended, (status, n_sent), wall);
            drop(token);
        });
    }
}
