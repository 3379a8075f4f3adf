//! What is answered to what. No WASI here.
#![cfg_attr(
    not(any(target_family = "wasm", test)),
    expect(dead_code, reason = "called by the shell, which is built for wasm only")
)]

use std::borrow::Cow;

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Say hello.
    Hello,
    /// Give JSON back.
    Echo,
    /// Send the body on as it comes.
    Stream,
    /// Another method is meant: one of these.
    NotAllowed(&'static str),
    /// Nothing lies there.
    NotFound,
}

/// An answer that is whole before it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Cow<'static, [u8]>,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Decides by method and path; a query changes nothing.
pub(crate) fn route(method: &str, path_with_query: &str) -> Route {
    let path = path_with_query.split_once('?').map_or(path_with_query, |(path, _)| path);
    match (path, method) {
        ("/" | "", "GET" | "HEAD") => Route::Hello,
        ("/" | "", "POST") => Route::Echo,
        ("/" | "", _) => Route::NotAllowed("GET, HEAD, POST"),
        ("/stream", "POST" | "PUT") => Route::Stream,
        ("/stream", _) => Route::NotAllowed("POST, PUT"),
        _ => Route::NotFound,
    }
}

/// The greeting.
pub(crate) fn hello() -> Answer {
    Answer { status: 200, content_type: TEXT, body: Cow::Borrowed(b"Hello from Sophia!\n") }
}

/// The same bytes, if they are JSON.
pub(crate) fn echo(body: Vec<u8>) -> Answer {
    match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => Answer { status: 200, content_type: JSON, body: Cow::Owned(body) },
        Err(error) => text(400, format!("the body is not JSON: {error}\n")),
    }
}

/// What to answer where nothing else is.
pub(crate) fn refusal(status: u16) -> Answer {
    match status {
        405 => text(405, "another method is meant\n".to_owned()),
        _ => text(404, "there is / and /stream\n".to_owned()),
    }
}

fn text(status: u16, text: String) -> Answer {
    Answer { status, content_type: TEXT, body: Cow::Owned(text.into_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_by_method_and_path() {
        for (method, path, expected) in [
            ("GET", "/", Route::Hello),
            ("GET", "", Route::Hello),
            ("GET", "/?name=x", Route::Hello),
            ("POST", "/", Route::Echo),
            ("DELETE", "/", Route::NotAllowed("GET, HEAD, POST")),
            ("POST", "/stream?x", Route::Stream),
            ("GET", "/stream", Route::NotAllowed("POST, PUT")),
            ("GET", "/streams", Route::NotFound),
        ] {
            assert_eq!(route(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn gives_json_back_and_nothing_else() {
        let json = br#" {"a": [1, 2.5, "\u00e4"]} "#;
        assert_eq!(echo(json.to_vec()), Answer { status: 200, content_type: JSON, body: json.into() });
        for other in ["", "{", "{} {}", "hello"] {
            assert_eq!(echo(other.into()).status, 400, "{other}");
        }
        assert_eq!(refusal(405).status, 405);
        assert_eq!(hello().status, 200);
    }
}
