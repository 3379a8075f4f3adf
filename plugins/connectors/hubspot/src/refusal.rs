//! What HubSpot's refusals mean (docs/api-reference/error-handling).

use serde::Deserialize;
use sophia_sdk::{Error, http::Response};

/// What of HubSpot's own text is passed on.
const MAX_MESSAGE_CHARS: usize = 500;

/// The rolling window of requests (docs/developer-tooling/platform/usage-guidelines).
const TEN_SECONDS_MS: u64 = 10_000;

/// The daily limit "resets at midnight based on your time zone setting", which only the account
/// knows; an hour is short enough to find out and long enough not to waste refused calls.
const AN_HOUR_MS: u64 = 3_600_000;

/// How long a lock lasts that much writing brings (docs/api-reference/error-handling).
const LOCKED_MS: u64 = 2_000;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    message: String,
    #[serde(rename = "policyName")]
    policy: String,
}

/// The answer, if HubSpot did what was asked.
pub(crate) fn accept(answer: Response) -> Result<Response, Error> {
    let status = answer.status();
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let refusal: Refusal = answer.json().unwrap_or_default();
    let message = message(status, &refusal);
    Err(match status {
        401 | 403 => Error::Denied(message),
        404 => Error::NotFound(message),
        400 | 405 | 409 | 413..=415 | 422 => Error::Invalid(message),
        429 => Error::Limited(Some(wait_ms(&answer, &refusal))),
        423 => Error::Limited(Some(LOCKED_MS)),
        // The account moves between data centres; the header says for how long (same page).
        477 => Error::Limited(answer.retry_after_ms()),
        _ => Error::upstream(status, message),
    })
}

/// How long to wait. `Retry-After` is not always there, and the window's length is not in the
/// answers of search.
fn wait_ms(answer: &Response, refusal: &Refusal) -> u64 {
    let header = |name| answer.header(name).and_then(|text| text.trim().parse::<u64>().ok());
    if let Some(ms) = answer.retry_after_ms() {
        return ms;
    }
    match refusal.policy.as_str() {
        "DAILY" => AN_HOUR_MS,
        _ => header("x-hubspot-ratelimit-interval-milliseconds").unwrap_or(TEN_SECONDS_MS),
    }
}

fn message(status: u16, refusal: &Refusal) -> String {
    if refusal.message.is_empty() {
        return format!("HubSpot answered {status}");
    }
    let message: String = refusal.message.chars().take(MAX_MESSAGE_CHARS).collect();
    format!("HubSpot answered {status}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, headers: &[(&str, &str)], body: &str) -> Error {
        accept(Response::new(status, headers, body)).unwrap_err()
    }

    #[test]
    fn waits_as_long_as_it_is_told() {
        const RETRY: (&str, &str) = ("retry-after", "3");
        const INTERVAL: (&str, &str) = ("x-hubspot-ratelimit-interval-milliseconds", "12000");
        let rolling =
            r#"{"policyName":"TEN_SECONDLY_ROLLING","message":"You have reached your ten_secondly_rolling limit."}"#;
        let daily = r#"{"policyName":"DAILY","message":"You have reached your daily limit."}"#;
        for (headers, body, expected) in [
            (vec![RETRY, INTERVAL], rolling, 3_000),
            (vec![INTERVAL], rolling, 12_000),
            (vec![], rolling, TEN_SECONDS_MS),
            (vec![], "", TEN_SECONDS_MS),
            (vec![("retry-after", "soon")], rolling, TEN_SECONDS_MS),
            (vec![INTERVAL], daily, AN_HOUR_MS),
            (vec![RETRY], daily, 3_000),
        ] {
            assert_eq!(refused(429, &headers, body), Error::Limited(Some(expected)), "{headers:?} {body}");
        }
    }

    #[test]
    fn says_whose_fault_it_is() {
        let body = r#"{"status":"error","message":"Email address x is invalid","category":"VALIDATION_ERROR"}"#;
        let text = |status| format!("HubSpot answered {status}: Email address x is invalid");
        assert_eq!(refused(400, &[], body), Error::Invalid(text(400)));
        assert_eq!(refused(409, &[], body), Error::Invalid(text(409)));
        assert_eq!(refused(401, &[], body), Error::Denied(text(401)));
        assert_eq!(refused(403, &[], body), Error::Denied(text(403)));
        assert_eq!(refused(404, &[], body), Error::NotFound(text(404)));
        assert_eq!(refused(502, &[], "<html>"), Error::upstream(502, "HubSpot answered 502"));
        assert_eq!(refused(423, &[], ""), Error::Limited(Some(2_000)));
        assert!(accept(Response::new(201, &[], "{}")).is_ok());
    }
}
