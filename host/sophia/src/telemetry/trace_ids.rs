//! Trace ids: a request's id is its trace id, so that either finds the other.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use sophia_domain::RequestId;

thread_local! {
    /// The id that the next root span on this thread takes.
    static NEXT: Cell<Option<RequestId>> = const { Cell::new(None) };
}

/// Random ids, but for a root span that is started inside [`with_trace_id`].
#[derive(Debug, Default)]
pub(super) struct TraceIds;

/// Runs `start`, in which a root span takes this id. Not for spans that are started later.
pub(crate) fn with_trace_id<T>(id: RequestId, start: impl FnOnce() -> T) -> T {
    NEXT.set(Some(id));
    let started = start();
    NEXT.set(None);
    started
}

impl IdGenerator for TraceIds {
    fn new_trace_id(&self) -> TraceId {
        let id = NEXT.get().unwrap_or_else(|| RequestId::from_bits(fastrand::u128(..)));
        TraceId::from_bytes(id.bits().to_be_bytes())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(fastrand::u64(1..).to_be_bytes())
    }
}
