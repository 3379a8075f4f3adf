//! W3C trace context (<https://www.w3.org/TR/trace-context/>): taken from the caller, passed to
//! whatever a plugin calls. A request's id is its trace id.

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use sophia_domain::RequestId;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{access::hex, metrics::Route, telemetry::with_trace_id};

/// Where a request stands in a trace. One per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    /// The trace id.
    pub(crate) id: RequestId,
    parent: Option<Parent>,
}

/// The caller's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parent {
    span: u64,
    is_sampled: bool,
}

const SAMPLED: u8 = 1;

impl Trace {
    /// Goes on with the caller's trace, or begins one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get("traceparent").and_then(|value| Self::parse(value.as_bytes()));
        given.unwrap_or_else(|| Self { id: RequestId::from_bits(fastrand::u128(..)), parent: None })
    }

    /// `00-{32 hex}-{16 hex}-{2 hex}`. A later version may have more after that; `ff` is no version.
    fn parse(value: &[u8]) -> Option<Self> {
        let text = str::from_utf8(value).ok()?;
        let mut fields = text.split('-');
        let (version, id, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let is_known = version == "00" && fields.next().is_none();
        let is_later = version.len() == 2 && version != "00" && version != "ff" && is_hex(version);
        if !(is_known || is_later) || span.len() != 16 || flags.len() != 2 || !is_hex(span) || !is_hex(flags) {
            return None;
        }
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { id: RequestId::parse(id)?, parent: Some(Parent { span, is_sampled: flags & SAMPLED != 0 }) })
    }

    /// The request's span. None where no collector is configured, at the price of a load.
    pub(crate) fn span(&self, method: &http::Method, route: Route) -> Span {
        let span = tracing::info_span!(
            "request",
            otel.name = route.as_str(),
            otel.kind = "server",
            http.request.method = method.as_str(),
            http.route = route.as_str(),
            http.response.status_code = tracing::field::Empty,
            sophia.plugin = tracing::field::Empty,
            sophia.failure = tracing::field::Empty,
        );
        if !span.is_disabled() {
            self.start(&span);
        }
        span
    }

    /// Spans start when their context is first looked at, and take their trace id then.
    fn start(&self, span: &Span) {
        if let Some(parent) = self.parent {
            let flags = if parent.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
            let trace_id = TraceId::from_bytes(self.id.bits().to_be_bytes());
            let span_id = SpanId::from_bytes(parent.span.to_be_bytes());
            let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
            // Refused only for a span that has started.
            let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(context));
        }
        with_trace_id(self.id, || drop(span.context()));
    }

    /// The header for whatever this span calls. Where nothing is recorded here, the caller's span
    /// stays the parent.
    pub(crate) fn outward(&self, span: &Span) -> Option<HeaderValue> {
        let (parent, is_sampled) = if span.is_disabled() {
            let random = || Parent { span: fastrand::u64(1..), is_sampled: false };
            let parent = self.parent.unwrap_or_else(random);
            (parent.span, parent.is_sampled)
        } else {
            let context = span.context();
            let context = context.span().span_context().clone();
            (u64::from_be_bytes(context.span_id().to_bytes()), context.is_sampled())
        };
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let span = hex(RequestId::from_bits(u128::from(parent)));
        text.get_mut(3..35)?.copy_from_slice(&hex(self.id));
        text.get_mut(36..52)?.copy_from_slice(span.get(16..)?);
        *text.last_mut()? = if is_sampled { b'1' } else { b'0' };
        HeaderValue::from_bytes(&text).ok()
    }
}

/// The id of the request that a `traceparent` of this node belongs to.
pub(crate) fn request_id(traceparent: &HeaderValue) -> Option<RequestId> {
    Trace::parse(traceparent.as_bytes()).map(|trace| trace.id)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(traceparent: &str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", traceparent.parse().unwrap());
        Trace::of(&headers)
    }

    #[test]
    fn goes_on_with_the_callers_trace() {
        let trace = of(GIVEN);
        assert_eq!(trace.id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.outward(&Span::none()).unwrap(), GIVEN);
        let later = of("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more");
        assert_eq!(later.id, trace.id);
        assert_eq!(later.parent, Some(Parent { span: 0x00f0_67aa_0ba9_02b7, is_sampled: false }));
    }

    #[test]
    fn begins_one_where_the_header_is_none() {
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        ] {
            let trace = of(wrong);
            assert_eq!(trace.parent, None, "{wrong}");
            let outward = trace.outward(&Span::none()).unwrap();
            assert_eq!(Trace::parse(outward.as_bytes()).unwrap().id, trace.id, "{wrong}");
        }
    }
}
