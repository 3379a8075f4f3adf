//! JSON that is somebody else's: checked to be JSON, and passed on as the text it came in.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use sophia_domain::{Fault, Problem};

use crate::http::body::Body;

/// A caller's body as JSON text.
pub(crate) fn text(body: &[u8]) -> Result<&str, Problem> {
    serde_json::from_slice::<IgnoredAny>(body).map_err(|wrong| malformed(body, &wrong))?;
    // Strings were skipped, not decoded: whether they are UTF-8 is still to be seen.
    str::from_utf8(body).map_err(|_| not_utf8())
}

/// A caller's body as a shape of ours.
pub(crate) fn shape<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|wrong| malformed(body, &wrong))
}

/// What a guest says is JSON.
pub(crate) fn guests(text: String, what: &str) -> Result<Box<RawValue>, Fault> {
    RawValue::from_string(text).map_err(|wrong| Fault::Contract(format!("{what} is no JSON: {wrong}")))
}

/// An answer of JSON.
pub(crate) fn answer(json: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::from(json)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A value of ours as an answer.
pub(crate) fn written(value: &impl Serialize) -> Result<Response<Body>, Problem> {
    serde_json::to_vec(value).map(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::host(500, "answer", "The node failed", "the answer could not be written")
    })
}

fn malformed(body: &[u8], wrong: &serde_json::Error) -> Problem {
    if body.is_empty() {
        let detail = "the body is empty: send a JSON object, `{}` where there is nothing to say";
        return Problem::caller(400, "malformed-json", "The body is no JSON", detail);
    }
    if wrong.is_data() {
        return Problem::caller(
            422,
            "wrong-shape",
            "The body has another shape than this route takes",
            wrong.to_string(),
        );
    }
    Problem::caller(400, "malformed-json", "The body is no JSON", wrong.to_string())
}

fn not_utf8() -> Problem {
    Problem::caller(400, "malformed-json", "The body is no JSON", "JSON is UTF-8, and the body is not")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_json_from_what_is_none() {
        for good in ["{}", " [1, \"ä\"] ", "null", "1e9"] {
            assert!(text(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [&b""[..], b"{", b"{}x", b"{'a': 1}", b"\"\xff\"", b"\xff", b"nan"] {
            assert_eq!(text(bad).unwrap_err().status, 400, "{bad:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(text(deep.as_bytes()).unwrap_err().status, 400);
        assert!(guests("{\"a\":1}".to_owned(), "it").is_ok());
        assert!(guests("{\"a\":1} 2".to_owned(), "it").is_err());
    }
}
