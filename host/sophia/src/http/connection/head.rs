//! Request heads that cannot be read: too large, or not HTTP.
//!
//! Such a request never becomes one of ours; hyper answers it with a bare status line and closes.
//! Here that answer gets what every other one has: a problem document, an id, an access line.

use std::{
    io::Write,
    net::IpAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Method;
use sophia_domain::{Problem, ProblemDocument, RequestId, Step};

use crate::{
    access::{AccessLine, hex, micros},
    metrics::Route,
    node::Node,
};

/// What stands for a method and a path that could not be read.
const UNKNOWN: &str = "-";

/// The answer in place of hyper's own, accounted for. None where that is no answer of HTTP/1:
/// no frame of HTTP/2 begins with `HTTP`, which would be one of 4.7 MB and of an unknown type.
pub(super) fn refuse(node: &Node, peer: IpAddr, own: &[u8]) -> Option<Bytes> {
    let began = Instant::now();
    let status = status_of(own)?;
    let id = RequestId::from_bits(fastrand::u128(..));
    let document = problem(status).for_request(id);
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let overhead = began.elapsed();
    let answer = answer(own, id, overhead, &body);
    node.metrics.answered(Route::Unknown, status, overhead);
    node.metrics.overhead.observe(overhead);
    let line = AccessLine {
        peer,
        method: &Method::from_bytes(UNKNOWN.as_bytes()).unwrap_or_default(),
        path: UNKNOWN,
        route: Route::Unknown.as_str(),
        status,
        wall: overhead,
        overhead,
        cpu: None,
        model: None,
        policy: None,
        sent: u64::try_from(body.len()).unwrap_or(u64::MAX),
        plugin: None,
        connection: None,
        failure: Some("refused"),
        id,
    };
    node.lines.append(|out| line.write(node.config.telemetry.log_format, out));
    Some(answer)
}

/// `HTTP/1.1 400 …`, and a whole head.
fn status_of(own: &[u8]) -> Option<u16> {
    let status = own.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let is_whole = own.ends_with(b"\r\n\r\n");
    str::from_utf8(status).ok()?.parse().ok().filter(|_| is_whole)
}

fn problem(status: u16) -> ProblemDocument {
    let problem = match status {
        431 => Problem::caller(
            431,
            "head-too-large",
            "The request's head is too large",
            format!(
                "target and headers may have {} KiB, in {} headers: send less",
                super::MAX_HEAD_BYTES >> 10,
                super::MAX_HEADERS
            ),
        ),
        414 => {
            Problem::caller(414, "target-too-long", "The request's target is too long", "send a shorter path and query")
        }
        _ => Problem::caller(
            status,
            "malformed-head",
            "The request's head is no HTTP",
            "send a method, a target and a version, then headers, as RFC 9112 has them",
        ),
    };
    problem.at(Step::Head)
}

/// Hyper's head with its date, and what every answer of the node carries.
fn answer(own: &[u8], id: RequestId, overhead: Duration, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(own.len() + body.len() + 256);
    let lines = own.split_inclusive(|byte| *byte == b'\n');
    for line in lines.filter(|line| !is_about_body_or_connection(line)) {
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"connection: close\r\ncontent-type: application/problem+json\r\nx-request-id: ");
    out.extend_from_slice(&hex(id));
    // Writing into a vector cannot fail.
    let _ = write!(out, "\r\nx-sophia-overhead-us: {}\r\ncontent-length: {}\r\n\r\n", micros(overhead), body.len());
    out.extend_from_slice(body);
    out.into()
}

/// The empty line at the end too.
fn is_about_body_or_connection(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    line == b"\r\n" || [&b"content-length"[..], b"connection"].iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn knows_an_answer_from_what_else_is_written() {
        for (own, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Some(400)),
            (b"HTTP/1.0 431 Request Header Fields Too Large\r\ndate: x\r\n\r\n", Some(431)),
            (b"HTTP/1.1 400 Bad Request\r\n", None),
            (b"HTTP/1.1 4", None),
            (b"\0\0\x12\x04\0\0\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(status_of(own), expected, "{own:?}");
        }
    }

    #[test]
    fn writes_an_answer_like_every_other() {
        let own = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\ncontent-length: 0\r\ndate: today\r\n\r\n";
        let id = RequestId::from_bits(7);
        let body = serde_json::to_vec(&problem(400).for_request(id)).unwrap();
        let answer = answer(own, id, Duration::from_micros(3), &body);
        expect![[r#"
            HTTP/1.1 400 Bad Request
            date: today
            connection: close
            content-type: application/problem+json
            x-request-id: 00000000000000000000000000000007
            x-sophia-overhead-us: 3
            content-length: 252

            {"type":"/problems/malformed-head","title":"The request's head is no HTTP","status":400,"detail":"send a method, a target and a version, then headers, as RFC 9112 has them","blame":"caller","step":"head","request_id":"00000000000000000000000000000007"}"#]]
        .assert_eq(&String::from_utf8_lossy(&answer).replace('\r', ""));
    }

    #[test]
    fn tells_what_is_too_large() {
        assert_eq!(problem(431).problem.kind, "/problems/head-too-large");
        assert_eq!(problem(414).problem.kind, "/problems/target-too-long");
    }
}
