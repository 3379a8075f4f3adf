//! What a plugin may not set, what the host adds, and what must not show a secret.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use sophia_domain::HOP_BY_HOP;
use sophia_vault::{Injection, Redactor};
use url::Url;

use crate::{EgressError, Rights};

/// Headers by which a plugin would be somebody of its own at a host where it is to be the
/// credential's owner: it could write into a stranger's account there.
static AUTHORISATION: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// Some vendors refuse a request without one.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("sophia/", env!("CARGO_PKG_VERSION")));

/// Refuses headers that are the host's to set: those of its connection, and the receiver's name.
pub(crate) fn refuse_connection(headers: &HeaderMap) -> Result<(), EgressError> {
    match HOP_BY_HOP.into_iter().chain([header::HOST]).find(|name| headers.contains_key(name)) {
        Some(name) => Err(EgressError::Header { name }),
        None => Ok(()),
    }
}

/// Refuses authorisation of the plugin's own at a host that has a credential.
pub(crate) fn refuse_authorisation(rights: &Rights, url: &Url, headers: &HeaderMap) -> Result<(), EgressError> {
    for credential in &rights.credentials {
        // Whose host it is takes longer to tell, and matters to few requests.
        let Some(part) = own_authorisation(credential.injector.injection(), url, headers) else { continue };
        if credential.is_at_origin(url) {
            return Err(EgressError::GuestAuthorisation { part: part.to_owned(), credential: credential.name.clone() });
        }
    }
    Ok(())
}

/// What stands where a credential would, or authorises in another way.
fn own_authorisation<'a>(injection: &'a Injection, url: &Url, headers: &HeaderMap) -> Option<&'a str> {
    let header = AUTHORISATION.iter().chain(injection.header()).find(|name| headers.contains_key(*name));
    let query = || injection.query().filter(|name| url.query_pairs().any(|(key, _)| key == *name));
    header.map(HeaderName::as_str).or_else(query)
}

/// What the host adds to a plugin's headers. An encoded answer could hide a secret, so none is
/// asked for; what the plugin asks for here is only ever a preference.
pub(crate) fn complete(headers: &mut HeaderMap, traceparent: Option<&HeaderValue>) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    if let Some(traceparent) = traceparent {
        headers.insert(HeaderName::from_static("traceparent"), traceparent.clone());
    }
}

/// Whether the body is anything but what it says: compressed, or encoded in a way unknown here.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let is = |name, plain: &str| {
        headers.get_all(name).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
    };
    is(header::CONTENT_ENCODING, "identity") || is(header::TRANSFER_ENCODING, "chunked")
}

/// The headers without the secrets. A header that has one in its name is left out.
pub(crate) fn redact(redactor: &Redactor, headers: HeaderMap) -> HeaderMap {
    if redactor.is_empty() {
        return headers;
    }
    let mut redacted = HeaderMap::with_capacity(headers.len());
    for (name, value) in &headers {
        let clean = HeaderValue::from_bytes(&redactor.redact(value.as_bytes()));
        if let (Ok(value), false) = (clean, redactor.is_in_ignoring_case(name.as_str())) {
            redacted.append(name, value);
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn refuses_every_header_of_the_connection() {
        for name in HOP_BY_HOP.into_iter().chain([header::HOST]) {
            let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]);
            assert!(matches!(refuse_connection(&headers), Err(EgressError::Header { name: n }) if n == name));
        }
        assert!(refuse_connection(&headers(&[("accept", "*/*"), ("x-own", "1"), ("content-length", "3")])).is_ok());
    }

    #[test]
    fn knows_an_encoded_answer() {
        for (name, value, expected) in [
            ("content-encoding", "gzip", true),
            ("content-encoding", "Identity", false),
            ("transfer-encoding", "chunked", false),
            ("transfer-encoding", "gzip, chunked", true),
            ("content-type", "gzip", false),
        ] {
            assert_eq!(is_encoded(&headers(&[(name, value)])), expected, "{name}: {value}");
        }
    }
}
