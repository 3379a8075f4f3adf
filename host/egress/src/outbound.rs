use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::combinators::UnsyncBoxBody;

/// How a streamed body of a guest fails.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request that a guest has let go of.
#[derive(Debug)]
pub struct Outbound {
    /// The method.
    pub method: Method,
    /// Absolute, as the guest wrote it.
    pub url: String,
    /// The guest's headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: OutboundBody,
    /// The credential that the guest names. With none, one that is used by itself and applies.
    pub credential: Option<String>,
    /// What happens with a redirect.
    pub redirects: Redirects,
    /// Until the last byte of the answer, redirects included. An hour at most.
    pub timeout: Duration,
    /// Bytes of the request's body.
    pub max_request: u64,
    /// Bytes of the answer's body.
    pub max_response: u64,
    /// The W3C trace context to send, in place of what the guest set.
    pub traceparent: Option<HeaderValue>,
}

/// The body of a request.
pub enum OutboundBody {
    /// None.
    Empty,
    /// Whole. Can be sent again after a redirect.
    Bytes(Bytes),
    /// In pieces, once.
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

/// What happens with an answer that redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// It is followed, each time from the first check on, ten times at most.
    Follow,
    /// The guest gets it.
    Return,
}

impl fmt::Debug for OutboundBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
