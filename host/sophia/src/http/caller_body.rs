//! The body of a request.
//!
//! When an answer is ready before the body was read, closing the connection at once would reset
//! it, and the caller would lose the answer that says why. What is left is read and thrown away
//! for a moment, in a task of its own. Not so for callers who wait for `100 Continue`: they have
//! sent nothing yet.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sophia_domain::{ByteSize, Problem, ProblemDocument, Step};
use tokio_util::task::TaskTracker;

/// Longest time that an unread rest is read for.
pub(super) const DISCARD_TIME: Duration = Duration::from_secs(2);

/// One per request. Read whole by the JSON routes, streamed by endpoints and uploads.
pub(crate) struct CallerBody {
    body: Option<Incoming>,
    discard_in: Option<TaskTracker>,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    /// It is longer than it may be.
    #[error("the body is larger than {0}")]
    TooLarge(ByteSize),
    /// It did not come in time.
    #[error("the body did not arrive within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The connection broke.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
}

impl CallerBody {
    /// Takes a request's body.
    pub(crate) fn new(body: Incoming, headers: &HeaderMap, tasks: &TaskTracker) -> Self {
        let is_sent = !body.is_end_stream() && !headers.contains_key(header::EXPECT);
        Self { body: Some(body), discard_in: is_sent.then(|| tasks.clone()) }
    }

    /// The whole body, and how long it took to arrive.
    ///
    /// # Errors
    /// See [`IntakeError`]. Cancel-safe: what was read is lost with the request.
    pub(crate) async fn collect(
        &mut self,
        limit: ByteSize,
        within: Duration,
    ) -> Result<(Bytes, Duration), IntakeError> {
        if self.size_hint().lower() > limit.0 {
            return Err(IntakeError::TooLarge(limit));
        }
        let began = Instant::now();
        let mut whole = std::pin::pin!(self.read_to_end(limit));
        // Small bodies are there already, and need no timer.
        let first = std::future::poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await;
        let bytes = match first {
            Poll::Ready(bytes) => bytes?,
            Poll::Pending => tokio::time::timeout(within, whole).await.map_err(|_| IntakeError::TooSlow(within))??,
        };
        Ok((bytes, began.elapsed()))
    }

    async fn read_to_end(&mut self, limit: ByteSize) -> Result<Bytes, IntakeError> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame.map_err(IntakeError::Broken)?.into_data() else { continue };
            if first.len() + rest.len() + data.len() > limit.as_usize() {
                return Err(IntakeError::TooLarge(limit));
            }
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + rest.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&rest);
        Ok(whole.freeze())
    }
}

impl IntakeError {
    /// What the caller is told.
    pub(crate) fn problem(&self) -> ProblemDocument {
        let problem = match self {
            Self::TooLarge(limit) => Problem::caller(
                413,
                "body-too-large",
                "The request's body is too large",
                format!("the body is larger than {limit}; send less, or ask the operator for a higher limit"),
            ),
            Self::TooSlow(_) => {
                Problem::caller(408, "body-too-slow", "The request's body came too slowly", self.to_string())
            }
            Self::Broken(_) => Problem::caller(400, "body-broken", "The request's body broke off", self.to_string()),
        };
        problem.at(Step::Request)
    }
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for CallerBody {
    fn drop(&mut self) {
        if let (Some(tasks), Some(body)) = (self.discard_in.take(), self.body.take())
            && !body.is_end_stream()
        {
            tasks.spawn(tokio::time::timeout(DISCARD_TIME, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}
