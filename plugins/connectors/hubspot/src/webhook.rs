//! What HubSpot sends to us, and whether it was HubSpot
//! (docs/apps/developer-platform/build-apps/authentication/request-validation, version 3).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::value::RawValue;
use sophia_sdk::{Error, Json, WebhookOutcome, WebhookRequest};

/// An older request is to be rejected, says the page. Nor may it be ahead by more.
const MAX_AGE_MS: u64 = 5 * 60_000;

/// What is escaped in a URL and signed without the escape, by the table on that page.
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

/// What must be verified with the app's secret.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) message: Vec<u8>,
    pub(crate) mac: Vec<u8>,
}

/// Method, URI, body and timestamp, one behind the other, and the signature that came with them.
pub(crate) fn signed(request: &WebhookRequest, now: u64) -> Result<Signed, Error> {
    let header = |name: &str| request.header(name).ok_or_else(|| denied(&format!("`{name}` is missing")));
    let timestamp = header("x-hubspot-request-timestamp")?;
    let sent: u64 = timestamp.parse().map_err(|_| denied("the timestamp is none"))?;
    if sent.abs_diff(now) > MAX_AGE_MS {
        return Err(denied("the timestamp is more than 5 minutes off"));
    }
    let mac = STANDARD.decode(header("x-hubspot-signature-v3")?).map_err(|_| denied("the signature is not base64"))?;
    let mut message = Vec::with_capacity(request.url.len() + request.body.len() + 32);
    for part in [request.method.as_bytes(), decoded(&request.url).as_bytes(), &request.body, timestamp.as_bytes()] {
        message.extend_from_slice(part);
    }
    Ok(Signed { message, mac })
}

/// The events of a request that was verified: HubSpot sends a list of up to 100
/// (docs/api-reference/webhooks-webhooks-v3/guide).
pub(crate) fn events(body: &[u8]) -> Result<WebhookOutcome, Error> {
    let events: Vec<Box<RawValue>> =
        serde_json::from_slice(body).map_err(|error| Error::Invalid(format!("no list of events: {error}")))?;
    let events = events.into_iter().map(|event| Json::from_text(String::from(Box::<str>::from(event)))).collect();
    Ok(WebhookOutcome { events, reply: String::new() })
}

fn decoded(url: &str) -> String {
    let mut decoded = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        decoded.push_str(before);
        let known = DECODED.iter().find(|(code, _)| escape.get(..3).is_some_and(|e| e.eq_ignore_ascii_case(code)));
        let (text, len) = known.map_or(("%", 1), |(_, text)| (*text, 3));
        decoded.push_str(text);
        rest = escape.get(len..).unwrap_or_default();
    }
    decoded.push_str(rest);
    decoded
}

fn denied(why: &str) -> Error {
    Error::Denied(format!("not signed by HubSpot: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_735_689_600_000;

    fn request(headers: &[(&str, &str)]) -> WebhookRequest {
        WebhookRequest {
            method: "POST".into(),
            url: "https://node.example/hook?to=a%40b%2Fc&x=%20".into(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: b"[{}]".to_vec(),
        }
    }

    fn sent_at(millis: u64) -> Result<Signed, Error> {
        signed(
            &request(&[("x-hubspot-signature-v3", "AAEC"), ("x-hubspot-request-timestamp", &millis.to_string())]),
            NOW,
        )
    }

    #[test]
    fn signs_method_url_body_and_time() {
        let signed = sent_at(NOW).unwrap();
        let expected = format!("POSThttps://node.example/hook?to=a@b/c&x=%20[{{}}]{NOW}");
        assert_eq!((signed.message, signed.mac), (expected.into_bytes(), vec![0, 1, 2]));
    }

    #[test]
    fn refuses_what_is_old_or_not_signed() {
        assert!(sent_at(NOW - MAX_AGE_MS).is_ok());
        for millis in [NOW - MAX_AGE_MS - 1, NOW + MAX_AGE_MS + 1, 0] {
            assert!(matches!(sent_at(millis), Err(Error::Denied(_))), "{millis}");
        }
        let now = NOW.to_string();
        for headers in [
            vec![],
            vec![("x-hubspot-request-timestamp", now.as_str())],
            vec![("x-hubspot-signature-v3", "AAEC")],
            vec![("x-hubspot-signature-v3", "!"), ("x-hubspot-request-timestamp", now.as_str())],
            vec![("x-hubspot-signature-v3", "AAEC"), ("x-hubspot-request-timestamp", "now")],
        ] {
            assert!(matches!(signed(&request(&headers), NOW), Err(Error::Denied(_))), "{headers:?}");
        }
    }

    #[test]
    fn takes_events_out_of_the_list() {
        let outcome = events(br#"[{"eventId":1}, {"eventId":2}]"#).unwrap();
        assert_eq!(outcome.events, [Json::literal(r#"{"eventId":1}"#), Json::literal(r#"{"eventId":2}"#)]);
        assert!(matches!(events(b"{}"), Err(Error::Invalid(_))));
    }

    #[test]
    fn decodes_only_what_the_table_says() {
        assert_eq!(decoded("/a%2fb%zz%"), "/a/b%zz%");
        assert_eq!(decoded("%C3%A4%25"), "%C3%A4%25");
    }
}
