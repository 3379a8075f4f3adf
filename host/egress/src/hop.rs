use std::mem;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use url::Url;

use crate::{
    BoxError, EgressError, Outbound, OutboundBody, Redirects, headers,
    redirect::{self, Redirect},
    request_body::{self, RequestBody},
};

/// One request of an exchange: the guest's own, or the one that a redirect leads to.
/// Holds what the guest gave, never what the host adds.
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) credential: Option<String>,
    pub(crate) traceparent: Option<HeaderValue>,
    pub(crate) max_response: u64,
    /// The query parameter that the host injected into this request.
    pub(crate) injected_query: Option<String>,
    pub(crate) is_redirected: bool,
    redirects: Redirects,
    max_request: u64,
    body: HopBody,
}

enum HopBody {
    Bytes(Bytes),
    Stream(UnsyncBoxBody<Bytes, BoxError>),
    Sent,
}

impl Hop {
    /// The guest's request, if it is one that can be sent at all.
    pub(crate) fn first(outbound: Outbound) -> Result<Self, EgressError> {
        let url = parse_url(&outbound.url)?;
        let mut headers = outbound.headers;
        headers::refuse_connection(&headers)?;
        let body = match outbound.body {
            OutboundBody::Empty => HopBody::Bytes(Bytes::new()),
            OutboundBody::Bytes(bytes) => HopBody::Bytes(bytes),
            // Guests of `wasi:http` always give a stream. One without anything in it can be repeated.
            OutboundBody::Stream(stream) if stream.is_end_stream() => HopBody::Bytes(Bytes::new()),
            OutboundBody::Stream(stream) => HopBody::Stream(stream),
        };
        if let HopBody::Bytes(bytes) = &body {
            check_whole(bytes, outbound.max_request, &mut headers)?;
        }
        Ok(Self {
            method: outbound.method,
            url,
            headers,
            credential: outbound.credential,
            traceparent: outbound.traceparent,
            max_response: outbound.max_response,
            injected_query: None,
            is_redirected: false,
            redirects: outbound.redirects,
            max_request: outbound.max_request,
            body,
        })
    }

    /// The body to send. A stream can be taken once.
    pub(crate) fn take_body(&mut self) -> Result<RequestBody, EgressError> {
        match mem::replace(&mut self.body, HopBody::Sent) {
            HopBody::Bytes(bytes) => {
                self.body = HopBody::Bytes(bytes.clone());
                Ok(request_body::whole(bytes))
            }
            HopBody::Stream(stream) => request_body::bounded(stream, self.max_request),
            HopBody::Sent => Err(EgressError::UnrepeatableBody),
        }
    }

    /// Turns into the request that an answer redirects to; false where it does not, or where the
    /// guest wants to see for itself. The answer must be free of secrets.
    pub(crate) fn follow<B>(&mut self, answer: &Response<B>) -> Result<bool, EgressError> {
        if self.redirects == Redirects::Return {
            return Ok(false);
        }
        let redirect = redirect::read(answer.status(), answer.headers(), &self.url, &self.method);
        let Some(redirect) = redirect.map_err(|_| EgressError::BadRedirect)? else { return Ok(false) };
        if redirect.keeps_body && matches!(self.body, HopBody::Sent) {
            return Err(EgressError::UnrepeatableBody);
        }
        self.turn(redirect);
        Ok(true)
    }

    fn turn(&mut self, mut redirect: Redirect) {
        redirect::carry_headers(&mut self.headers, &self.url, &redirect);
        if let Some(name) = self.injected_query.take() {
            redirect::without_parameter(&mut redirect.url, &name);
        }
        if !redirect.keeps_body {
            self.body = HopBody::Bytes(Bytes::new());
        }
        (self.method, self.url, self.is_redirected) = (redirect.method, redirect.url, true);
    }
}

fn parse_url(text: &str) -> Result<Url, EgressError> {
    let mut url = Url::parse(text).map_err(|_| EgressError::MalformedUrl)?;
    url.set_fragment(None);
    Ok(url)
}

/// The client frames a whole body by itself; a length that the guest sets must be the true one.
fn check_whole(bytes: &Bytes, max: u64, headers: &mut HeaderMap) -> Result<(), EgressError> {
    let len = bytes.len() as u64;
    if len > max {
        return Err(EgressError::RequestTooLarge);
    }
    let is_true = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.parse() == Ok(len));
    if !headers.get_all(header::CONTENT_LENGTH).iter().all(is_true) {
        return Err(EgressError::RequestBroken);
    }
    headers.remove(header::CONTENT_LENGTH);
    Ok(())
}
