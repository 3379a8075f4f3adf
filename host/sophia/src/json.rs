//! JSON that is somebody else's: checked to be JSON, and passed on as the text it came in.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use sophia_domain::{Fault, Problem, ProblemDocument, Step};

use crate::http::body::Body;

/// A caller's body as JSON text.
pub(crate) fn text(body: &[u8]) -> Result<&str, ProblemDocument> {
    if body.is_empty() {
        return Err(malformed("the body is empty: send a JSON object, `{}` where there is nothing to say"));
    }
    serde_json::from_slice::<IgnoredAny>(body).map_err(|wrong| malformed(wrong.to_string()))?;
    // Strings were skipped, not decoded: whether they are UTF-8 is still to be seen.
    str::from_utf8(body).map_err(|_| malformed("JSON is UTF-8, and the body is not"))
}

/// A caller's body as a shape of ours, which is an object.
pub(crate) fn shape<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProblemDocument> {
    // A struct would be read from an array as well, by position.
    let read = match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|wrong| wrong.to_string()),
        _ => Err("send a JSON object".to_owned()),
    };
    // Reading stops at the first member that does not fit, and what follows may be no JSON at all.
    read.map_err(|wrong| text(body).err().unwrap_or_else(|| wrong_shape(wrong)))
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
pub(crate) fn written(value: &impl Serialize) -> Result<Response<Body>, ProblemDocument> {
    serde_json::to_vec(value).map(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::host(500, "answer", "The node failed", "the answer could not be written").at(Step::Reply)
    })
}

fn malformed(detail: impl Into<String>) -> ProblemDocument {
    Problem::caller(400, "malformed-json", "The body is no JSON", detail).at(Step::Request)
}

fn wrong_shape(detail: String) -> ProblemDocument {
    Problem::caller(422, "wrong-shape", "The body has another shape than this route takes", detail).at(Step::Request)
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
            assert_eq!(text(bad).unwrap_err().problem.status, 400, "{bad:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(text(deep.as_bytes()).unwrap_err().problem.status, 400);
        assert!(guests("{\"a\":1}".to_owned(), "it").is_ok());
        assert!(guests("{\"a\":1} 2".to_owned(), "it").is_err());
    }

    #[test]
    fn tells_what_is_no_json_from_json_of_another_shape() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Shape {
            name: String,
            #[serde(default)]
            rest: Option<Box<RawValue>>,
        }
        for good in [r#"{"name": "a"}"#, " \n{\"rest\": [1, {}], \"name\": \"\\u00e4\"}\t"] {
            let shape: Shape = shape(good.as_bytes()).unwrap();
            assert!(!shape.name.is_empty() && shape.rest.is_none_or(|rest| rest.get() == "[1, {}]"), "{good}");
        }
        for (body, status) in [
            (r#""#, 400),
            (r#"{"#, 400),
            (r#"[1,]"#, 400),
            (r#"{} {}"#, 400),
            (r#"{"name": 1,}"#, 400),
            (r#"{"name": "a"} {}"#, 400),
            (r#"{"name": "a"}]"#, 400),
            (r#"{"colour": 1, "name": }"#, 400),
            (r#"{"name": "a", "rest": [1,]}"#, 400),
            (r#"["a" "b"]"#, 400),
            (r#"nothing"#, 400),
            (r#"'a'"#, 400),
            (r#"01"#, 400),
            ("\u{feff}{}", 400),
            (r#"{}"#, 422),
            (r#"[]"#, 422),
            (r#"["a"]"#, 422),
            (r#""a""#, 422),
            (r#"null"#, 422),
            (r#"1"#, 422),
            (r#"{"name": 1}"#, 422),
            (r#"{"name": "a", "colour": "red"}"#, 422),
            (r#"{"name": "a", "name": "b"}"#, 422),
        ] {
            let refused = shape::<Shape>(body.as_bytes()).unwrap_err();
            assert_eq!((refused.problem.status, &*refused.step), (status, "request"), "{body}: {refused:?}");
        }
        assert_eq!(shape::<Shape>(b"{\"name\": 1, \"a\": \"\xff\"}").unwrap_err().problem.status, 400);
    }
}
