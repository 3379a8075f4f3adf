//! A collector that takes OTLP over HTTP with protobuf bodies, as
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp> describes, and keeps the spans.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header::CONTENT_TYPE};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use tokio::sync::Notify;

use crate::{Answer, Seen, Site, SiteError, Tls};

/// A running collector. Stops when dropped.
pub struct Collector {
    site: Site,
    spans: Arc<Spans>,
}

/// A span as it was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// 32 hex digits.
    pub trace: String,
    /// 16 hex digits.
    pub id: String,
    /// 16 hex digits, empty at the root.
    pub parent: String,
}

#[derive(Default)]
struct Spans {
    kept: Mutex<Vec<Span>>,
    came: Notify,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Result<Self, SiteError> {
        let spans = Arc::<Spans>::default();
        let keeping = Arc::clone(&spans);
        let site = Site::start(Tls::Off, move |request| {
            let answer = keeping.take(&request);
            async move { answer }
        })
        .await?;
        Ok(Self { site, spans })
    }

    /// What to give a node as `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.site.address())
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the spans satisfy `enough`, at most `at_most`. Answers the spans, either way.
    pub async fn wait_for(&self, at_most: Duration, enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let waiting = async {
            loop {
                let came = self.spans.came.notified();
                if enough(&self.spans()) {
                    break;
                }
                came.await;
            }
        };
        // The caller asserts on what is there, which says more than "timed out".
        let _satisfied = tokio::time::timeout(at_most, waiting).await.is_ok();
        self.spans()
    }
}

impl Spans {
    fn take(&self, request: &Seen) -> Answer {
        if request.method != Method::POST || request.uri.path() != "/v1/traces" {
            return plain(StatusCode::NOT_FOUND);
        }
        if request.header("content-type") != Some("application/x-protobuf") {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let Ok(export) = ExportTraceServiceRequest::decode(request.body.clone()) else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let spans = export.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(spans.map(|span| Span {
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
        }));
        self.came.notify_waiters();
        accepted()
    }
}

fn accepted() -> Answer {
    let mut response = Response::new(Bytes::from(ExportTraceServiceResponse::default().encode_to_vec()));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/x-protobuf"));
    Answer::Whole(response)
}

fn plain(status: StatusCode) -> Answer {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    Answer::Whole(response)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
