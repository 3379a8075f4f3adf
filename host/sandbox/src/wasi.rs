//! WASI as a guest sees it: virtual. No files, sockets, environment or arguments; clocks and
//! random from the host; what it prints becomes log lines; HTTP goes through egress.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http_body_util::BodyExt;
use sophia_domain::Limits;
use sophia_egress::{BoxError, Egress, EgressError, Outbound, OutboundBody, Redirects, Rights};
use tokio::io::AsyncWrite;
use tracing::Instrument;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::{Call, LogLevel, guest::Guest};

/// Random bytes in one call, as `random.bytes` has it.
const MAX_RANDOM_BYTES: u64 = 65_536;
/// Headers of one message in memory. Four times what proxies take on the wire (8 KiB), twice
/// for the bookkeeping that the engine counts as well.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// WASI's state of one call. Made when the guest first uses it.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    hooks: EgressHooks,
    stdout: Printed,
    stderr: Printed,
}

impl Wasi {
    fn new(call: &Call, egress: &Egress) -> Self {
        let limit = call.limits.log.as_usize();
        let (stdout, stderr) = (Printed::new(limit), Printed::new(limit));
        let ctx = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_FIELD_BYTES);
        Self { ctx, http, hooks: EgressHooks::new(call, egress), stdout, stderr }
    }

    /// What the guest printed, as log lines.
    pub(crate) fn into_lines(self) -> Vec<(LogLevel, String)> {
        let lines = |level, printed: &Printed| {
            printed.take().lines().filter(|line| !line.is_empty()).map(|line| (level, line.to_owned())).collect()
        };
        let mut all: Vec<_> = lines(LogLevel::Info, &self.stdout);
        all.extend::<Vec<_>>(lines(LogLevel::Warn, &self.stderr));
        all
    }
}

impl Guest {
    /// WASI and the table that stands beside it, borrowed apart.
    fn wasi_and_table(&mut self) -> (&mut Wasi, &mut ResourceTable) {
        let Self { wasi, table, call, engines, .. } = self;
        (wasi.get_or_insert_with(|| Box::new(Wasi::new(call, &engines.ports.egress))), table)
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (wasi, table) = self.wasi_and_table();
        WasiCtxView { ctx: &mut wasi.ctx, table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (wasi, table) = self.wasi_and_table();
        WasiHttpCtxView { hooks: &mut wasi.hooks, table, ctx: &mut wasi.http }
    }
}

/// `wasi:http` goes out through egress, for 0.2 and 0.3 alike.
struct EgressHooks {
    egress: Egress,
    rights: Arc<Rights>,
    limits: Limits,
    traceparent: Option<http::HeaderValue>,
    n_sent: u32,
}

impl EgressHooks {
    fn new(call: &Call, egress: &Egress) -> Self {
        Self {
            egress: egress.clone(),
            rights: call.rights.clone(),
            limits: call.limits,
            traceparent: call.traceparent.clone(),
            n_sent: 0,
        }
    }

    fn outbound(&self, request: http::Request<WasiBody>, options: Option<RequestOptions>) -> Outbound {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        // The engine sets it from the URL; egress sets its own.
        headers.remove(http::header::HOST);
        let wanted = options.and_then(|options| options.first_byte_timeout).unwrap_or(self.limits.wall.0);
        Outbound {
            method: head.method,
            url: head.uri.to_string(),
            headers,
            body: OutboundBody::Stream(body.map_err(|error| Box::new(error) as BoxError).boxed_unsync()),
            credential: None,
            redirects: Redirects::Return,
            timeout: wanted.min(self.limits.wall.0),
            max_request: self.limits.request.0,
            max_response: self.limits.response.0,
            traceparent: self.traceparent.clone(),
        }
    }
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for EgressHooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        self.n_sent += 1;
        if self.n_sent > self.limits.host_calls {
            return Box::new(async { Err(Error::ConnectionLimitReached) });
        }
        let outbound = self.outbound(request, options);
        let (egress, rights) = (self.egress.clone(), self.rights.clone());
        let span = tracing::info_span!("host_call", otel.name = "wasi:http");
        let exchange = async move {
            let response = egress.send(&rights, outbound).await.map_err(|error| to_wasi(&error))?;
            let response = response.map(|body| body.map_err(|error| to_wasi(&error)).boxed_unsync());
            let nothing_left: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response, nothing_left))
        };
        Box::new(exchange.instrument(span))
    }
}

/// Egress' refusals in the words of `wasi:http`.
fn to_wasi(error: &EgressError) -> Error {
    match error {
        EgressError::MalformedUrl | EgressError::Scheme => Error::HttpRequestUriInvalid,
        EgressError::PrivateAddress { .. } => Error::DestinationIpProhibited,
        EgressError::Resolve(_) => Error::DnsError { rcode: None, info_code: None },
        EgressError::Connect(_) => Error::ConnectionRefused,
        EgressError::Tls(_) => Error::TlsCertificateError,
        EgressError::TimedOut => Error::HttpResponseTimeout,
        EgressError::RateExceeded { .. } => Error::ConnectionLimitReached,
        EgressError::RequestTooLarge => Error::HttpRequestBodySize(None),
        EgressError::ResponseTooLarge => Error::HttpResponseBodySize(None),
        EgressError::Broken(_) | EgressError::RequestBroken => Error::HttpResponseIncomplete,
        _ => Error::HttpRequestDenied,
    }
}

/// What a guest printed on one stream, up to a bound; more is taken and dropped, so that a guest
/// that prints too much goes on.
#[derive(Clone)]
struct Printed {
    text: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl Printed {
    fn new(limit: usize) -> Self {
        Self { text: Arc::default(), limit }
    }

    fn take(&self) -> String {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&std::mem::take(&mut *text)).into_owned()
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Printed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit.saturating_sub(text.len()).min(bytes.len());
        text.extend_from_slice(bytes.get(..room).unwrap_or_default());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
