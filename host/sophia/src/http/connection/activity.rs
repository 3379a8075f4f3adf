//! What happened on a connection, and whether an answer is under way on it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::http::body::{Body, BodyError};

/// Shared by a connection's task, its requests and its socket.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests that wait for their answer.
    n_open: AtomicU32,
    /// Requests begun and writes made, together.
    n_events: AtomicU64,
    /// Answers that were not yet taken from us to their end.
    n_answers: AtomicU32,
    /// Whether bytes of an answer may still wait to be written.
    is_answering: AtomicBool,
}

impl Activity {
    /// Something happened.
    pub(super) fn happened(&self) {
        self.n_events.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nothing happened since `seen`, which is brought up to date, and nothing is awaited.
    pub(super) fn is_idle_since(&self, seen: &mut u64) -> bool {
        let now = self.n_events.load(Ordering::Relaxed);
        let is_same = std::mem::replace(seen, now) == now;
        is_same && self.n_open.load(Ordering::Relaxed) == 0
    }

    /// All that was to be written is written.
    pub(super) fn flushed(&self) {
        if self.n_answers.load(Ordering::Relaxed) == 0 {
            self.is_answering.store(false, Ordering::Relaxed);
        }
    }

    /// Whether what is written now may belong to an answer of ours. Where it cannot, the protocol
    /// speaks for itself.
    pub(super) fn is_answering(&self) -> bool {
        self.is_answering.load(Ordering::Relaxed)
    }
}

/// A request that is answered. Counts as awaited until then.
pub(super) struct OpenRequest {
    waiting: Waiting,
    answer: OpenAnswer,
}

struct Waiting(Arc<Activity>);

struct OpenAnswer(Arc<Activity>);

impl OpenRequest {
    /// A request came in.
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.happened();
        activity.n_open.fetch_add(1, Ordering::Relaxed);
        activity.n_answers.fetch_add(1, Ordering::Relaxed);
        activity.is_answering.store(true, Ordering::Relaxed);
        Self { waiting: Waiting(activity.clone()), answer: OpenAnswer(activity.clone()) }
    }

    /// Its answer is there, and under way for as long as its body.
    pub(super) fn answered(self, body: Body) -> AnswerBody {
        drop(self.waiting);
        AnswerBody { body, _answer: self.answer }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.n_open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.0.n_answers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which is under way until it is dropped.
pub(super) struct AnswerBody {
    body: Body,
    _answer: OpenAnswer,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(open: OpenRequest) -> AnswerBody {
        open.answered(Body::Full(Bytes::new()))
    }

    #[test]
    fn is_idle_when_nothing_happened_and_nothing_is_awaited() {
        let activity = Arc::new(Activity::default());
        let mut seen = 0;
        assert!(activity.is_idle_since(&mut seen));
        let open = OpenRequest::begin(&activity);
        assert!(!activity.is_idle_since(&mut seen));
        assert!(!activity.is_idle_since(&mut seen));
        let body = answered(open);
        assert!(activity.is_idle_since(&mut seen));
        activity.happened();
        assert!(!activity.is_idle_since(&mut seen));
        drop(body);
        drop(OpenRequest::begin(&activity));
        assert!(!activity.is_idle_since(&mut seen));
        assert!(activity.is_idle_since(&mut seen));
    }

    #[test]
    fn is_answering_until_the_last_byte_is_flushed() {
        let activity = Arc::new(Activity::default());
        assert!(!activity.is_answering());
        let open = OpenRequest::begin(&activity);
        activity.flushed();
        assert!(activity.is_answering());
        let body = answered(open);
        activity.flushed();
        assert!(activity.is_answering(), "the body still comes");
        drop(body);
        assert!(activity.is_answering(), "bytes of it may wait to be written");
        activity.flushed();
        assert!(!activity.is_answering());
    }
}
