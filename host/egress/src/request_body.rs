use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

use crate::{BoxError, EgressError};

/// A body on its way out.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, RequestFault>;

/// How a body on its way out fails. The HTTP client passes it back as the cause of its own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestFault {
    #[error("larger than its limit")]
    TooLarge,
    #[error("broken off")]
    Broken,
}

/// A guest's stream, up to a number of bytes.
struct Bounded {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    left: u64,
}

pub(crate) fn whole(bytes: Bytes) -> RequestBody {
    match bytes.is_empty() {
        true => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        false => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
    }
}

pub(crate) fn bounded(inner: UnsyncBoxBody<Bytes, BoxError>, max: u64) -> Result<RequestBody, EgressError> {
    match inner.size_hint().lower() {
        least if least > max => Err(EgressError::RequestTooLarge),
        _ => Ok(Bounded { inner, left: max }.boxed_unsync()),
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = RequestFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestFault>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(Some(Err(RequestFault::Broken))),
            None => return Poll::Ready(None),
        };
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(len) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Some(Err(RequestFault::TooLarge))),
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
