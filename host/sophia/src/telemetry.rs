//! Logs and spans.
//!
//! Events become log lines; spans go to OTLP and nowhere else. Without a collector configured
//! no layer wants a span, so that making one costs a relaxed load. Log lines and access lines
//! share one bounded way out (see [`crate::lines`]).

mod exporter;
mod trace_ids;

use std::io::{self, IsTerminal};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use sophia_domain::Environment;
use tracing::Metadata;
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt::{self, MakeWriter, format::Writer as FormatWriter, time::FormatTime},
    layer::{Filter, SubscriberExt},
    util::SubscriberInitExt,
};

pub(crate) use trace_ids::with_trace_id;

use crate::{
    config::{LogFormat, TelemetryConfig},
    lines::{self, LineSink},
    machine, timestamp,
};

/// Where lines and spans go. Built once at boot; closed last.
#[derive(Debug)]
pub(crate) struct Telemetry {
    /// Takes access lines.
    pub(crate) lines: LineSink,
    writer: lines::Writer,
    spans: Option<SdkTracerProvider>,
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The thread that writes lines.
    #[error("cannot start the thread that writes log lines")]
    Thread(#[source] io::Error),
    /// The exporter of spans.
    #[error("cannot set up the OTLP exporter")]
    Exporter(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody was first.
    #[error("telemetry is set up twice in one process")]
    Twice,
}

/// Starts writing lines to standard error, and spans to the collector where there is one.
/// Must run inside the runtime, which sends the spans.
pub(crate) fn start(config: &TelemetryConfig, environment: Environment) -> Result<Telemetry, TelemetryError> {
    // Workers, the runtime's first thread and a few that block.
    let (lines, writer) = lines::start(io::stderr(), machine::cores() + 2).map_err(TelemetryError::Thread)?;
    let spans = spans(config, environment)?;
    let to_log = Registry::default().with(log_layer(config, lines.clone()));
    // An absent layer is no layer at all: one that is `None` would be asked about every span.
    let set = match &spans {
        None => to_log.try_init(),
        Some(provider) => {
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("sophia"));
            let layer = layer.with_location(false).with_threads(false);
            let own = filter_fn(is_own_span).with_max_level_hint(LevelFilter::INFO);
            to_log.with(layer.with_filter(own)).try_init()
        }
    };
    set.map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry { lines, writer, spans })
}

impl Telemetry {
    /// Sends the last spans and writes the last lines. Blocks, for at most the exporter's timeout.
    pub(crate) fn close(self) {
        if let Some(spans) = self.spans
            && let Err(error) = spans.shutdown()
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
        self.writer.close();
    }
}

fn spans(config: &TelemetryConfig, environment: Environment) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let Some(endpoint) = &config.otlp_traces else { return Ok(None) };
    let client = exporter::Client::new().map_err(|source| TelemetryError::Exporter(source.into()))?;
    let builder = SpanExporter::builder().with_http().with_http_client(client);
    let exporter = opentelemetry_otlp::WithExportConfig::with_endpoint(builder, endpoint.as_str());
    let exporter = exporter.build().map_err(|source| TelemetryError::Exporter(source.into()))?;
    let resource = Resource::builder()
        .with_service_name("sophia")
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(opentelemetry::KeyValue::new("deployment.environment.name", environment.as_str()));
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_id_generator(trace_ids::TraceIds)
        .with_batch_exporter(exporter);
    Ok(Some(provider.build()))
}

fn log_layer<S>(config: &TelemetryConfig, lines: LineSink) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let events = filter_fn(|metadata: &Metadata<'_>| metadata.is_event());
    // A filter that does not say so is taken to want traces too: wasmtime's then cost 2 % of a call.
    let most = Filter::<S>::max_level_hint(&config.log).unwrap_or(LevelFilter::TRACE);
    let filter = config.log.clone().and(events.with_max_level_hint(most));
    let layer = fmt::layer().with_timer(Clock).with_writer(ToLines(lines));
    match config.log_format {
        LogFormat::Text => layer.with_ansi(io::stderr().is_terminal()).with_filter(filter).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter(filter).boxed()
        }
    }
}

/// Spans of this workspace; those of libraries would drown them.
fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("sophia")
}

struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, w: &mut FormatWriter<'_>) -> std::fmt::Result {
        w.write_str(std::str::from_utf8(&timestamp::now()).unwrap_or_default())
    }
}

/// Every event is formatted whole before it is written, so that a write is a line.
struct ToLines(LineSink);

impl<'a> MakeWriter<'a> for ToLines {
    type Writer = &'a ToLines;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl io::Write for &ToLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.append(|out| out.extend_from_slice(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
