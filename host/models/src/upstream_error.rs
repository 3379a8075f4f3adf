//! How one upstream failed one request, and what an answer that refuses says.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use sophia_egress::EgressError;

use crate::ModelError;

/// How it failed. Another candidate may be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("it cannot be connected to")]
    Down,
    /// Too slow.
    #[error("it took longer than it may")]
    TimedOut,
    /// It has too much to do, or was asked too often.
    #[error("it has too much to do")]
    Limited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// It answered with an error of its own.
    #[error("it answered {0}")]
    Status(u16),
    /// What came is not an answer.
    #[error("{0}")]
    Answer(&'static str),
    /// This node may not or cannot send there: no right, no secret, a refused credential.
    #[error("it cannot be used as it is configured")]
    Unusable,
}

/// How one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// For good: no other candidate would do better.
    Final(ModelError),
    /// There.
    Upstream(UpstreamError),
}

/// OpenAI's error, vLLM's older flat one, and an `error` that is a mere text (TEI).
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Nested { error: WrittenError },
    Flat(WrittenError),
}

#[derive(Deserialize)]
struct WrittenError {
    message: String,
    #[serde(default)]
    param: Option<String>,
    #[serde(default)]
    code: Option<serde_json::Value>,
}

/// Where a limit does not say when to come again.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Of an upstream's words about a request.
const MAX_WORDS: usize = 300;

impl UpstreamError {
    /// Sorts what egress says. Its text is for the log of egress.
    pub(crate) fn from_egress(error: &EgressError) -> Self {
        match error {
            EgressError::Resolve(_) | EgressError::Connect(_) | EgressError::Tls(_) => Self::Down,
            EgressError::TimedOut => Self::TimedOut,
            EgressError::Broken(_) => Self::Answer("the answer broke off"),
            EgressError::ResponseTooLarge => Self::Answer("the answer is larger than it may be"),
            EgressError::Encoded => Self::Answer("the answer is compressed although it must not be"),
            EgressError::TooManyRedirects | EgressError::BadRedirect => Self::Answer("it redirects"),
            EgressError::RateExceeded { retry_after, .. } => Self::Limited { retry_after: *retry_after },
            _ => Self::Unusable,
        }
    }
}

/// What an answer that is no success means. `tokens` and `context` are told where it says that the
/// prompt is too long.
pub(crate) fn from_answer(status: StatusCode, headers: &HeaderMap, body: &[u8], context: u64) -> Failure {
    match status.as_u16() {
        400 | 413 | 422 => Failure::Final(about_request(body, context)),
        401 | 403 | 404 => Failure::Upstream(UpstreamError::Unusable),
        429 => Failure::Upstream(UpstreamError::Limited { retry_after: retry_after(headers) }),
        503 if headers.contains_key(header::RETRY_AFTER) => {
            Failure::Upstream(UpstreamError::Limited { retry_after: retry_after(headers) })
        }
        408 | 504 => Failure::Upstream(UpstreamError::TimedOut),
        status => Failure::Upstream(UpstreamError::Status(status)),
    }
}

/// The model's words about a request that it refuses. Egress has taken the secrets out.
fn about_request(body: &[u8], context: u64) -> ModelError {
    let error = match serde_json::from_slice(body) {
        Ok(Written::Nested { error } | Written::Flat(error)) => error,
        Err(_) => return ModelError::Invalid { param: None, message: "the model refuses the request".to_owned() },
    };
    let is_too_long = error.code.as_ref().is_some_and(|code| code == "context_length_exceeded")
        || error.message.contains("maximum context length");
    if is_too_long {
        return ModelError::ContextLength { tokens: numbers(&error.message).max(context), context };
    }
    let words: String = error.message.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    let param = error.param.map(|param| crate::fields::shortened(&param));
    ModelError::Invalid { param, message: format!("the model refuses the request: {words}") }
}

/// The largest number in a text: vLLM and OpenAI name the prompt's tokens beside the context's.
fn numbers(text: &str) -> u64 {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).max().unwrap_or_default()
}

/// In seconds; a date is not read, since a clock that is wrong would make it any time.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Failure {
        from_answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), 4096)
    }

    #[test]
    fn what_is_wrong_with_the_request_is_said_to_whoever_asked() {
        let invalid = |param: Option<&str>, message: &str| {
            Failure::Final(ModelError::Invalid { param: param.map(str::to_owned), message: message.to_owned() })
        };
        for (body, expected) in [
            (
                r#"{"error":{"message":"bad\n tool","type":"x","param":"tools","code":400}}"#,
                invalid(Some("tools"), "the model refuses the request: bad tool"),
            ),
            (r#"{"object":"error","message":"no","code":400}"#, invalid(None, "the model refuses the request: no")),
            ("<html>", invalid(None, "the model refuses the request")),
            (
                r#"{"error":{"message":"This model's maximum context length is 4096 tokens. However, you requested 5120 tokens","code":400}}"#,
                Failure::Final(ModelError::ContextLength { tokens: 5120, context: 4096 }),
            ),
            (
                r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
                Failure::Final(ModelError::ContextLength { tokens: 4096, context: 4096 }),
            ),
        ] {
            assert_eq!(read(400, body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_there_lets_another_be_tried() {
        let limited = |seconds| UpstreamError::Limited { retry_after: Duration::from_secs(seconds) };
        for (status, expected) in [
            (500, UpstreamError::Status(500)),
            (503, UpstreamError::Status(503)),
            (302, UpstreamError::Status(302)),
            (401, UpstreamError::Unusable),
            (404, UpstreamError::Unusable),
            (408, UpstreamError::TimedOut),
            (429, limited(1)),
        ] {
            assert_eq!(read(status, "{}"), Failure::Upstream(expected));
        }
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().unwrap())]);
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
            assert_eq!(from_answer(status, &headers, b"", 1), Failure::Upstream(limited(7)));
        }
    }
}
