//! The only way out: a guest's request becomes an outbound one, and egress does the rest.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt;
use sophia_domain::{Blame, Limits};
use sophia_egress::{EgressError, InboundBody, Outbound, OutboundBody, Redirects, Rights};
use tracing::{Instrument, Span};
use wasmtime::{Result, component::Resource};

use crate::{
    bindings::sophia::plugin::{
        http::{Host, HostBodyStream, Request, Response, StreamedResponse},
        types::{Error, UpstreamError},
    },
    engine::Engines,
    guest::Guest,
};

/// As `wit/http.wit` says.
const MAX_PARALLEL: usize = 64;

/// A body on its way in. Lives in the call's table.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct BodyStream(Option<InboundBody>);

impl Host for Guest {
    async fn send(&mut self, request: Request) -> Result<Result<Response, Error>> {
        self.host_call()?;
        Ok(self.exit().exchange(request).instrument(span("http.send")).await)
    }

    async fn send_all(&mut self, requests: Vec<Request>) -> Result<Vec<Result<Response, Error>>> {
        for _ in &requests {
            self.host_call()?;
        }
        let exit = self.exit();
        let all = requests.into_iter().enumerate().map(|(index, request)| exit.exchange_nth(index, request));
        Ok(futures::future::join_all(all).instrument(span("http.send-all")).await)
    }

    async fn open(&mut self, request: Request) -> Result<Result<StreamedResponse, Error>> {
        self.host_call()?;
        let response = match self.exit().begin(request).instrument(span("http.open")).await {
            Ok(response) => response,
            Err(error) => return Ok(Err(error)),
        };
        let (head, body) = response.into_parts();
        let body = self.table.push(BodyStream(Some(body)))?;
        Ok(Ok(StreamedResponse { status: head.status.as_u16(), headers: pairs(&head.headers), body }))
    }
}

impl HostBodyStream for Guest {
    async fn next(&mut self, stream: Resource<BodyStream>) -> Result<Result<Option<Vec<u8>>, Error>> {
        self.host_call()?;
        let stream = self.table.get_mut(&stream)?;
        let piece = stream.piece().await;
        if !matches!(piece, Ok(Some(_))) {
            stream.0 = None;
        }
        Ok(piece)
    }

    async fn drop(&mut self, stream: Resource<BodyStream>) -> Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl BodyStream {
    /// The next piece of data; trailers are passed over.
    async fn piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(body) = &mut self.0 else { return Ok(None) };
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|error| refused(&error))?.into_data() {
                return Ok(Some(data.into()));
            }
        }
        Ok(None)
    }
}

/// What a request of this call goes out with. Apart from the store, which is borrowed by no
/// request while it waits.
struct Exit {
    engines: Arc<Engines>,
    rights: Arc<Rights>,
    limits: Limits,
    traceparent: Option<HeaderValue>,
}

impl Guest {
    fn exit(&self) -> Exit {
        Exit {
            engines: self.engines.clone(),
            rights: self.call.rights.clone(),
            limits: self.call.limits,
            traceparent: self.call.traceparent.clone(),
        }
    }
}

impl Exit {
    async fn exchange_nth(&self, index: usize, request: Request) -> Result<Response, Error> {
        if index >= MAX_PARALLEL {
            return Err(Error::Invalid(format!("at most {MAX_PARALLEL} requests at a time")));
        }
        self.exchange(request).await
    }

    async fn exchange(&self, request: Request) -> Result<Response, Error> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = body.collect_bounded().await.map_err(|error| refused(&error))?;
        Ok(Response { status: head.status.as_u16(), headers: pairs(&head.headers), body: body.into() })
    }

    async fn begin(&self, request: Request) -> Result<http::Response<InboundBody>, Error> {
        let outbound = self.outbound(request)?;
        self.engines.ports.egress.send(&self.rights, outbound).await.map_err(|error| refused(&error))
    }

    fn outbound(&self, request: Request) -> Result<Outbound, Error> {
        let limits = &self.limits;
        let wanted = request.timeout_ms.map_or(limits.wall.0, |ms| Duration::from_millis(ms.into()));
        Ok(Outbound {
            method: Method::from_bytes(request.method.as_bytes())
                .map_err(|_| Error::Invalid("the method is no HTTP method".into()))?,
            url: request.url,
            headers: header_map(request.headers)?,
            body: request.body.map_or(OutboundBody::Empty, |body| OutboundBody::Bytes(Bytes::from(body))),
            credential: request.credential,
            redirects: Redirects::Follow,
            timeout: wanted.min(limits.wall.0),
            max_request: limits.request.0,
            max_response: limits.response.0,
            traceparent: self.traceparent.clone(),
        })
    }
}

/// A host call's span: between the plugin's call and egress' exchange.
fn span(function: &'static str) -> Span {
    tracing::info_span!("host_call", otel.name = function)
}

/// Milliseconds to wait, never too few.
fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

fn header_map(headers: Vec<(String, String)>) -> Result<HeaderMap, Error> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let bad = |_| Error::Invalid(format!("`{}` is no header that can be sent", name.escape_debug()));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(()))?;
        let value = HeaderValue::from_str(&value).map_err(|_| bad(()))?;
        map.append(key, value);
    }
    Ok(map)
}

/// Headers as the contract has them; a value that is not text is shown with its odd bytes replaced.
fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// Egress' refusals in the contract's words.
fn refused(error: &EgressError) -> Error {
    let text = error.to_string();
    match error {
        EgressError::TimedOut => Error::TimedOut,
        EgressError::RateExceeded { retry_after, .. } => Error::Limited(Some(whole_ms(*retry_after))),
        EgressError::RequestTooLarge => Error::Exhausted("call".into()),
        EgressError::NotAllowed { .. }
        | EgressError::GuestAuthorisation { .. }
        | EgressError::UnknownCredential { .. }
        | EgressError::CredentialScope { .. }
        | EgressError::SecretScope { .. }
        | EgressError::PrivateAddress { .. } => Error::Denied(text),
        EgressError::Credential { .. } | EgressError::Injection { .. } => Error::Unavailable(text),
        _ if error.blame() == Blame::Upstream => Error::Upstream(UpstreamError { status: None, message: text }),
        _ => Error::Invalid(text),
    }
}
