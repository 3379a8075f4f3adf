use std::{error::Error, fmt, time::Duration};

use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use sophia_domain::Chain;
use sophia_vault::{Armed, Redactor};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{Instrument, Span, field::Empty, info_span};
use url::Url;

use crate::{
    Credential, EgressConfig, EgressConfigError, EgressError, InboundBody, Outbound, Rights, connector::Dialer, error,
    headers, hop::Hop, request_body::RequestBody, routes::Routes, tls,
};

/// The way out. Built once at boot; cheap to clone, the clones share their connections.
#[derive(Clone)]
pub struct Egress {
    client: Client<HttpsConnector<Dialer>, RequestBody>,
    dialer: Dialer,
}

/// Browsers stop at 20; a vendor's chain is one or two long.
const MAX_REDIRECTS: usize = 10;

/// Keeps the sum with the present representable; a call's wall limit is far below.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// Shorter than the idle timeout of common servers (60–75 s), so that the node closes first.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Idle connections kept for a host; more than a burst of one connector needs.
const POOL_MAX_IDLE: usize = 16;

/// Head of an answer. Servers allow 8 to 16 KiB, some vendors send more cookies.
const MAX_HEAD_BYTES: u32 = 64 << 10;

impl Egress {
    /// Reads the certificate authorities, and blocks while it does.
    pub fn new(config: EgressConfig) -> Result<Self, EgressConfigError> {
        let dialer = Dialer::new(Routes::new(&config)?);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(&config.ca_pem)?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dialer.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .http1_max_buf_size(MAX_HEAD_BYTES as usize)
            .http2_max_header_list_size(MAX_HEAD_BYTES)
            .build(connector);
        Ok(Self { client, dialer })
    }

    /// Sends a request within its rights and gives the head of the answer, its body still to come.
    /// Dropping the future or the body ends the exchange.
    pub async fn send(&self, rights: &Rights, outbound: Outbound) -> Result<Response<InboundBody>, EgressError> {
        self.send_quietly(rights, outbound).await.inspect_err(log_cause)
    }

    /// The same, without a line in the log where it fails: for whoever only looks whether somebody
    /// is there.
    pub async fn send_quietly(
        &self,
        rights: &Rights,
        outbound: Outbound,
    ) -> Result<Response<InboundBody>, EgressError> {
        let deadline = Instant::now() + outbound.timeout.min(MAX_TIMEOUT);
        let exchange = self.follow_redirects(rights, outbound, deadline);
        timeout_at(deadline, exchange).await.unwrap_or(Err(EgressError::TimedOut))
    }

    async fn follow_redirects(
        &self,
        rights: &Rights,
        outbound: Outbound,
        deadline: Instant,
    ) -> Result<Response<InboundBody>, EgressError> {
        let mut hop = Hop::first(outbound)?;
        let mut redactor = Redactor::default();
        for _ in 0..=MAX_REDIRECTS {
            let span = span(&hop);
            let answer = self.exchange(rights, &mut hop, &mut redactor, deadline).instrument(span).await?;
            if !hop.follow(&answer)? {
                return Ok(answer.map(|body| InboundBody::new(body, hop.max_response, deadline, redactor)));
            }
        }
        Err(EgressError::TooManyRedirects)
    }

    /// One request, from the first check to a head without secrets. What was injected is added to
    /// `redactor`, so that it is also removed from what a later hop sends back.
    async fn exchange(
        &self,
        rights: &Rights,
        hop: &mut Hop,
        redactor: &mut Redactor,
        deadline: Instant,
    ) -> Result<Response<Incoming>, EgressError> {
        permit(rights, hop)?;
        refuse_own_authorisation(rights, hop)?;
        self.vet(&hop.url)?;
        if let Some(begin) = take_place(rights, hop, deadline)? {
            sleep_until(begin).await;
        }
        let request = inject(rights, hop, redactor)?;
        let answer = self.client.request(request).await.map_err(error::from_client)?;
        Span::current().record("http.response.status_code", answer.status().as_u16());
        accept(answer, hop, redactor)
    }

    /// An address in the URL itself. A name's addresses are vetted where the connection is opened.
    fn vet(&self, url: &Url) -> Result<(), EgressError> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        Ok(self.dialer.vet_literal(host, port)?)
    }
}

/// Both keys.
fn permit(rights: &Rights, hop: &Hop) -> Result<(), EgressError> {
    if !matches!(hop.url.scheme(), "https" | "http") {
        return Err(EgressError::Scheme);
    }
    rights.permit(&hop.method, &hop.url).map_err(|missing| EgressError::NotAllowed {
        method: hop.method.clone(),
        url: shown(&hop.url),
        missing,
    })
}

fn refuse_own_authorisation(rights: &Rights, hop: &Hop) -> Result<(), EgressError> {
    if !hop.url.username().is_empty() || hop.url.password().is_some() {
        return Err(EgressError::UserInfo);
    }
    headers::refuse_authorisation(rights, &hop.url, &hop.headers)
}

/// When the request may begin by the rate of the credential that it will carry. Where that is after
/// the deadline, the request is refused at once: whoever asks knows best what to do meanwhile.
fn take_place(rights: &Rights, hop: &Hop, deadline: Instant) -> Result<Option<Instant>, EgressError> {
    if rights.credentials.iter().all(|credential| credential.rate.is_none()) {
        return Ok(None);
    }
    // The opened secret is dropped before the wait; it may be another one after it.
    let Some(credential) = choose(rights, hop)?.map(|(credential, _)| credential) else { return Ok(None) };
    let Some(rate) = &credential.rate else { return Ok(None) };
    match rate.take(Instant::now().into_std(), deadline.into_std()) {
        Ok(begin) => Ok(Some(begin.into())),
        Err(full) => Err(EgressError::RateExceeded { name: credential.name.clone(), retry_after: full.retry_after }),
    }
}

fn choose<'a>(rights: &'a Rights, hop: &Hop) -> Result<Option<(&'a Credential, Armed)>, EgressError> {
    let named = hop.credential.as_deref();
    match hop.is_redirected {
        false => rights.choose(named, &hop.method, &hop.url),
        true => rights.choose_again(named, &hop.method, &hop.url),
    }
}

/// The request as it is sent: what the guest gave, what the host adds, and the credential last.
fn inject(rights: &Rights, hop: &mut Hop, redactor: &mut Redactor) -> Result<Request<RequestBody>, EgressError> {
    let (mut url, mut headers) = (hop.url.clone(), hop.headers.clone());
    headers::complete(&mut headers, hop.traceparent.as_ref());
    if let Some((credential, armed)) = choose(rights, hop)? {
        let failed = |source| EgressError::Injection { name: credential.name.clone(), source };
        armed.inject(&mut url, &mut headers).map_err(failed)?;
        redactor.merge(armed.redactor());
        hop.injected_query = credential.injector.injection().query().map(str::to_owned);
    }
    let mut request = Request::new(hop.take_body()?);
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = Uri::try_from(url.as_str()).map_err(|_| EgressError::MalformedUrl)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The head of the answer, once it is known to be HTTP, small enough and readable: without the
/// secrets, the reason phrase, and what was about the connection.
fn accept(answer: Response<Incoming>, hop: &Hop, redactor: &Redactor) -> Result<Response<Incoming>, EgressError> {
    let (head, body) = answer.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(EgressError::Broken("the host switched protocols unasked".into()));
    }
    if !redactor.is_empty() && headers::is_encoded(&head.headers) {
        return Err(EgressError::Encoded);
    }
    if hyper::body::Body::size_hint(&body).lower() > hop.max_response {
        return Err(EgressError::ResponseTooLarge);
    }
    let mut answer = Response::new(body);
    *answer.status_mut() = head.status;
    *answer.headers_mut() = headers::redact(redactor, head.headers);
    sophia_domain::strip_hop_by_hop(answer.headers_mut());
    Ok(answer)
}

/// One for each hop. Host and port only: paths and queries hold people's data.
fn span(hop: &Hop) -> Span {
    info_span!(
        "egress",
        otel.kind = "client",
        http.request.method = %hop.method,
        server.address = hop.url.host_str(),
        server.port = hop.url.port_or_known_default(),
        http.response.status_code = Empty,
    )
}

/// The plugin is told what failed; why is for the operator.
fn log_cause(error: &EgressError) {
    if error.source().is_some() {
        tracing::warn!(blame = ?error.blame(), error = %Chain(error), "a plugin's request got no answer");
    }
}

/// A URL for people: without user and query, and not longer than a line or two.
fn shown(url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    format!("{origin}{}", url.path()).chars().take(200).collect()
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("dialer", &self.dialer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
