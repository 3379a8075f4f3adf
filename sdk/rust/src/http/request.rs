use std::{
    fmt::{self, Write},
    time::Duration,
};

use serde::Serialize;

use super::{Response, StreamedResponse};
use crate::{Error, bindings::connector::sophia::plugin::http as wit};

/// A request being written. Nothing is sent before [`send`](Self::send) or [`open`](Self::open).
#[derive(Debug, Clone, PartialEq)]
pub struct Request(wit::Request);

/// A `GET` of an absolute URL.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A `POST` to an absolute URL.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// A `PUT` to an absolute URL.
pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

/// A `PATCH` of an absolute URL.
pub fn patch(url: impl Into<String>) -> Request {
    Request::new("PATCH", url)
}

/// A `DELETE` of an absolute URL.
pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

/// Sends all requests at the same time and returns every outcome in the order asked. At most 64;
/// more are refused as `invalid` one by one.
pub fn send_all(requests: Vec<Request>) -> Vec<Result<Response, Error>> {
    let requests: Vec<_> = requests.into_iter().map(|request| request.0).collect();
    wit::send_all(&requests).into_iter().map(|outcome| outcome.map(Response::from)).collect()
}

impl Request {
    /// A request of any method, upper case, to an absolute URL.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self(wit::Request {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            credential: None,
            timeout_ms: None,
        })
    }

    /// Adds `name=value` to the query, percent-encoded.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.0.url.push(if self.0.url.contains('?') { '&' } else { '?' });
        let mut encoder = Encoder(&mut self.0.url);
        // Writing to a string cannot fail.
        let _ = write!(encoder, "{name}");
        encoder.0.push('=');
        let _ = write!(encoder, "{value}");
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body, and `content-type: application/json`.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Error> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// Names the credential to use, as the manifest names it. Without, the one that says
    /// `auto = true` and whose scope holds the URL is used.
    pub fn credential(mut self, name: &str) -> Self {
        self.0.credential = Some(name.to_owned());
        self
    }

    /// How long the whole exchange may take. Capped by the call's wall time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends it and waits for the whole answer. Sending a clone sends twice. A status of 400 or
    /// more is an answer, not an error: see [`Response::accept`].
    pub fn send(self) -> Result<Response, Error> {
        wit::send(&self.0).map(Response::from)
    }

    /// Sends it and returns as soon as the head of the answer is there.
    pub fn open(self) -> Result<StreamedResponse, Error> {
        wit::open(&self.0).map(StreamedResponse::from)
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// The URL, query included.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The body, where there is one.
    pub fn body_bytes(&self) -> Option<&[u8]> {
        self.0.body.as_deref()
    }
}

/// Writes all but RFC 3986's unreserved characters as `%XX`.
struct Encoder<'a>(&'a mut String);

impl Write for Encoder<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => self.0.push(char::from(byte)),
                _ => write!(self.0, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_query() {
        let request = get("https://a.example/x").query("limit", 100).query("q", "a b&c=ä/~");
        assert_eq!(request.url(), "https://a.example/x?limit=100&q=a%20b%26c%3D%C3%A4%2F~");
    }

    #[test]
    fn sends_json_as_json() {
        let request = post("https://a.example/").json(&[1, 2]).unwrap();
        assert_eq!(request.body_bytes(), Some(b"[1,2]".as_slice()));
        assert_eq!(request.0.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    }
}
