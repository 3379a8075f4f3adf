//! One line for each request, written when its last byte is gone.
//!
//! Formatted by hand into the buffer of the worker (see [`crate::lines`]): no event machinery,
//! no allocation. A line never has the query, headers or bodies, which may hold secrets.

use std::{io::Write, net::IpAddr, time::Duration};

use http::Method;
use sophia_domain::{RequestId, Tokens, Usd};

use crate::{config::LogFormat, timestamp};

/// Bytes of a path that a line shows. Routes are shorter; what is longer is an attack or an endpoint's own.
const MAX_PATH_BYTES: usize = 256;

/// What a line says.
#[derive(Debug, Clone)]
pub(crate) struct AccessLine<'a> {
    /// Who asked, as the connection knows it.
    pub(crate) peer: IpAddr,
    /// The HTTP method.
    pub(crate) method: &'a Method,
    /// The path, without its query.
    pub(crate) path: &'a str,
    /// The route's name, such as `connector.act`.
    pub(crate) route: &'static str,
    /// The answer's status.
    pub(crate) status: u16,
    /// From the first byte read to the last one handed over.
    pub(crate) wall: Duration,
    /// Of that, what the node itself took.
    pub(crate) overhead: Duration,
    /// What the guest computed, where one was called.
    pub(crate) cpu: Option<Duration>,
    /// The model that answered.
    pub(crate) model: Option<ModelPart<'a>>,
    /// What the policy took to decide, where one was asked.
    pub(crate) policy: Option<Duration>,
    /// Bytes of the answer's body.
    pub(crate) sent: u64,
    /// The plugin that was called.
    pub(crate) plugin: Option<&'a str>,
    /// The connection that it was called for.
    pub(crate) connection: Option<&'a str>,
    /// How it failed: a fault, a plugin's error or a problem's kind.
    pub(crate) failure: Option<&'static str>,
    /// Names the request.
    pub(crate) id: RequestId,
}

/// What a line says of a model that answered.
#[derive(Debug, Clone)]
pub(crate) struct ModelPart<'a> {
    /// Its name.
    pub(crate) model: &'a str,
    /// The provider or worker.
    pub(crate) upstream: &'a str,
    /// What is billed.
    pub(crate) tokens: Tokens,
    /// What that costs.
    pub(crate) cost: Usd,
}

impl ModelPart<'_> {
    fn texts(&self) -> [(&'static str, &str); 2] {
        [("model", self.model), ("upstream", self.upstream)]
    }

    fn numbers(&self) -> [(&'static str, u64); 3] {
        [
            ("input_tokens", self.tokens.input),
            ("output_tokens", self.tokens.output),
            ("cost_micro_usd", self.cost.micros()),
        ]
    }
}

impl AccessLine<'_> {
    /// Appends the line.
    pub(crate) fn write(&self, format: LogFormat, out: &mut Vec<u8>) {
        match format {
            LogFormat::Text => self.write_text(out),
            LogFormat::Json => self.write_json(out),
        }
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&timestamp::now());
        out.extend_from_slice(b"  INFO access: ");
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        write_escaped(out, self.path);
        out.push(b' ');
        write_number(out, u64::from(self.status));
        out.extend_from_slice(b" route=");
        out.extend_from_slice(self.route.as_bytes());
        for (key, time) in [
            (" wall_us=", Some(self.wall)),
            (" overhead_us=", Some(self.overhead)),
            (" cpu_us=", self.cpu),
            (" policy_us=", self.policy),
        ] {
            let Some(time) = time else { continue };
            out.extend_from_slice(key.as_bytes());
            write_number(out, micros(time));
        }
        if let Some(model) = &self.model {
            for (key, text) in model.texts() {
                write_key(out, b" ", key, b"=");
                write_escaped(out, text);
            }
            for (key, number) in model.numbers() {
                write_key(out, b" ", key, b"=");
                write_number(out, number);
            }
        }
        out.extend_from_slice(b" sent=");
        write_number(out, self.sent);
        for (key, text) in [(" plugin=", self.plugin), (" connection=", self.connection), (" failure=", self.failure)] {
            let Some(text) = text else { continue };
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(b" request_id=");
        out.extend_from_slice(&hex(self.id));
        out.extend_from_slice(b" peer=");
        write_display(out, self.peer);
        out.push(b'\n');
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"at":""#);
        out.extend_from_slice(&timestamp::now());
        out.extend_from_slice(br#"","level":"INFO","target":"access","method":""#);
        write_escaped(out, self.method.as_str());
        out.extend_from_slice(br#"","path":""#);
        write_escaped(out, self.path);
        out.extend_from_slice(br#"","route":""#);
        out.extend_from_slice(self.route.as_bytes());
        out.extend_from_slice(br#"","status":"#);
        write_number(out, u64::from(self.status));
        for (key, time) in [
            (r#","wall_us":"#, Some(self.wall)),
            (r#","overhead_us":"#, Some(self.overhead)),
            (r#","cpu_us":"#, self.cpu),
            (r#","policy_us":"#, self.policy),
        ] {
            let Some(time) = time else { continue };
            out.extend_from_slice(key.as_bytes());
            write_number(out, micros(time));
        }
        if let Some(model) = &self.model {
            for (key, text) in model.texts() {
                write_key(out, b",\"", key, b"\":\"");
                write_escaped(out, text);
                out.push(b'"');
            }
            for (key, number) in model.numbers() {
                write_key(out, b",\"", key, b"\":");
                write_number(out, number);
            }
        }
        out.extend_from_slice(br#","sent":"#);
        write_number(out, self.sent);
        for (key, text) in [
            (r#","plugin":""#, self.plugin),
            (r#","connection":""#, self.connection),
            (r#","failure":""#, self.failure),
        ] {
            let Some(text) = text else { continue };
            out.extend_from_slice(key.as_bytes());
            write_escaped(out, text);
            out.push(b'"');
        }
        out.extend_from_slice(br#","request_id":""#);
        out.extend_from_slice(&hex(self.id));
        out.extend_from_slice(br#"","peer":""#);
        write_display(out, self.peer);
        out.extend_from_slice(b"\"}\n");
    }
}

/// The id as 32 hex digits, without the machinery of `fmt`.
pub(crate) fn hex(id: RequestId) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(id.bits().to_be_bytes()) {
        let digits = [byte >> 4, byte & 15].map(|nibble| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        pair.copy_from_slice(&digits);
    }
    text
}

/// Microseconds; the most that fit where there are more.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn write_key(out: &mut Vec<u8>, before: &[u8], key: &str, after: &[u8]) {
    out.extend_from_slice(before);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(after);
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// A path may hold quotes and, from HTTP/2, any byte that is no control character; it must not
/// end a line, a field or a JSON string.
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes().take(MAX_PATH_BYTES) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'!'..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(format: LogFormat, expected: Expect) {
        let line = AccessLine {
            peer: IpAddr::from([127, 0, 0, 1]),
            method: &Method::POST,
            path: "/v1/connectors/echo/main/actions/e\"ch\no",
            route: "connector.act",
            status: 502,
            wall: Duration::from_micros(1_234),
            overhead: Duration::from_micros(12),
            cpu: Some(Duration::from_micros(900)),
            model: Some(ModelPart {
                model: "smol",
                upstream: "here",
                tokens: Tokens { input: 11, cached: 0, output: 3 },
                cost: Usd::dollars(1),
            }),
            policy: Some(Duration::from_micros(14)),
            sent: 77,
            plugin: Some("echo"),
            connection: Some("main"),
            failure: Some("trap"),
            id: RequestId::from_bits(0xabc),
        };
        let mut out = Vec::new();
        line.write(format, &mut out);
        let text = String::from_utf8(out).unwrap();
        let time = text.find("20").unwrap();
        expected.assert_eq(&text.replace(&text[time..time + 24], "TIME"));
    }

    #[test]
    fn says_what_a_request_came_to() {
        check(
            LogFormat::Text,
            expect![[r#"
                TIME  INFO access: POST /v1/connectors/echo/main/actions/e\"ch?o 502 route=connector.act wall_us=1234 overhead_us=12 cpu_us=900 policy_us=14 model=smol upstream=here input_tokens=11 output_tokens=3 cost_micro_usd=1000000 sent=77 plugin=echo connection=main failure=trap request_id=00000000000000000000000000000abc peer=127.0.0.1
            "#]],
        );
        check(
            LogFormat::Json,
            expect![[r#"
                {"at":"TIME","level":"INFO","target":"access","method":"POST","path":"/v1/connectors/echo/main/actions/e\"ch?o","route":"connector.act","status":502,"wall_us":1234,"overhead_us":12,"cpu_us":900,"policy_us":14,"model":"smol","upstream":"here","input_tokens":11,"output_tokens":3,"cost_micro_usd":1000000,"sent":77,"plugin":"echo","connection":"main","failure":"trap","request_id":"00000000000000000000000000000abc","peer":"127.0.0.1"}
            "#]],
        );
    }

    #[test]
    fn writes_ids_as_their_display_does() {
        let id = RequestId::from_bits(0x0123_4567_89ab_cdef_0000_0000_0000_0001);
        assert_eq!(hex(id), *id.to_string().as_bytes());
    }
}
