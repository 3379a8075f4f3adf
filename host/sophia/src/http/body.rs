//! The body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use sophia_sandbox::EndpointBody;

use super::exchange::Exchange;
use crate::admission::Permit;

/// One per answer.
pub(crate) enum Body {
    /// At hand. What the data path and every problem answers with.
    Full(Bytes),
    /// From a guest that may still run.
    Guest(Box<GuestStream>),
    /// From the control API.
    Control(axum::body::Body),
}

/// A guest's body with what must live as long: its place among the running calls, and the
/// request's account, which is closed when the last byte is gone or the caller is.
pub(crate) struct GuestStream {
    body: EndpointBody,
    exchange: Option<Exchange>,
    status: u16,
    n_sent: u64,
    _permit: Permit,
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
        Self::Guest(Box::new(GuestStream { body, exchange: None, status: 0, n_sent: 0, _permit: permit }))
    }

    /// Bytes, where they are known.
    pub(crate) fn len(&self) -> Option<u64> {
        HttpBody::size_hint(self).exact()
    }
}

impl GuestStream {
    /// Hands over the account, to be closed with the body.
    pub(crate) fn account(&mut self, exchange: Exchange, status: u16) {
        self.exchange = Some(exchange);
        self.status = status;
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
            Self::Control(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Control),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Guest(stream) => stream.body.is_end_stream(),
            Self::Control(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Guest(stream) => stream.body.size_hint(),
            Self::Control(body) => body.size_hint(),
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
            Some(Err(fault)) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.broke_off(&fault);
                }
                Some(Err(BodyError::Guest(fault)))
            }
            None => None,
        })
    }
}

impl Drop for GuestStream {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.close(self.status, self.n_sent);
        }
    }
}
