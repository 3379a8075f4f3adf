use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

/// The headers with which HubSpot signs a request to us: HMAC-SHA-256 with the app's secret over
/// method, URI, body and timestamp, base64
/// (docs/apps/developer-platform/build-apps/authentication/request-validation, v3).
pub fn signed_headers(secret: &str, method: &str, uri: &str, body: &[u8], millis: u64) -> [(&'static str, String); 2] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signing = hmac::Context::with_key(&key);
    for part in [method.as_bytes(), uri.as_bytes(), body, millis.to_string().as_bytes()] {
        signing.update(part);
    }
    [("x-hubspot-signature-v3", STANDARD.encode(signing.sign())), ("x-hubspot-request-timestamp", millis.to_string())]
}
