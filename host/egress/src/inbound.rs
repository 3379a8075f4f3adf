use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sophia_vault::{RedactStream, Redactor};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{EgressError, headers};

/// The body of an answer: within its limits of size and time, without the secrets that went out.
/// Dropping it gives up the rest.
pub struct InboundBody {
    inner: Incoming,
    left: u64,
    deadline: Pin<Box<Sleep>>,
    redaction: Option<Redaction>,
    trailers: Option<HeaderMap>,
    is_done: bool,
}

struct Redaction {
    redactor: Redactor,
    stream: RedactStream,
}

impl InboundBody {
    pub(crate) fn new(inner: Incoming, max: u64, deadline: Instant, redactor: Redactor) -> Self {
        let redaction = (!redactor.is_empty()).then(|| Redaction { stream: redactor.clone().stream(), redactor });
        let deadline = Box::pin(sleep_until(deadline));
        Self { inner, left: max, deadline, redaction, trailers: None, is_done: false }
    }

    /// The whole body, which is never larger than its limit.
    pub async fn collect_bounded(mut self) -> Result<Bytes, EgressError> {
        let Some(first) = self.next_data().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next_data().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second);
        while let Some(data) = self.next_data().await? {
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// The next piece; none at the end. Cancel-safe.
    pub async fn next_data(&mut self) -> Result<Option<Bytes>, EgressError> {
        while let Some(frame) = self.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The next frame as it may be passed on; none inside where all of it is held back.
    fn pass(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, EgressError> {
        match frame.into_data() {
            Ok(data) => {
                self.left = self.left.checked_sub(data.len() as u64).ok_or(EgressError::ResponseTooLarge)?;
                let ready = self.redaction.as_mut().and_then(|redaction| redaction.stream.push(&data));
                let data = ready.map_or(data, Bytes::from);
                Ok((!data.is_empty()).then(|| Frame::data(data)))
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                self.trailers = Some(match &self.redaction {
                    Some(redaction) => headers::redact(&redaction.redactor, trailers),
                    None => trailers,
                });
                Ok(self.finish())
            }
        }
    }

    /// What is left after the last piece: what was held back, then trailers, then nothing.
    fn finish(&mut self) -> Option<Frame<Bytes>> {
        let rest = self.redaction.as_mut().map(|redaction| redaction.stream.finish()).unwrap_or_default();
        if !rest.is_empty() {
            return Some(Frame::data(rest.into()));
        }
        self.trailers.take().map(Frame::trailers)
    }
}

impl Body for InboundBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        loop {
            if self.is_done {
                return Poll::Ready(self.finish().map(Ok));
            }
            let step = match self.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Err(EgressError::TimedOut),
                Poll::Pending => match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                    Some(Ok(frame)) => self.pass(frame),
                    Some(Err(error)) => Err(EgressError::Broken(error.into())),
                    None => {
                        self.is_done = true;
                        continue;
                    }
                },
            };
            match step {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(error) => {
                    self.is_done = true;
                    (self.redaction, self.trailers) = (None, None);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_empty = self.trailers.is_none() && self.held_back() == 0;
        is_empty && (self.is_done || self.inner.is_end_stream())
    }

    /// Redaction keeps the length, so what is held back is all that differs.
    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        let held_back = self.held_back() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(held_back));
        }
        hint.set_lower(hint.lower().saturating_add(held_back));
        hint
    }
}

impl InboundBody {
    fn held_back(&self) -> usize {
        self.redaction.as_ref().map_or(0, |redaction| redaction.stream.held_back())
    }
}

impl std::fmt::Debug for InboundBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundBody").field("left", &self.left).field("is_done", &self.is_done).finish_non_exhaustive()
    }
}
