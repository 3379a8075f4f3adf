//! The forms in which a secret may come back.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

type Form = Zeroizing<Vec<u8>>;

/// Everything but the unreserved characters of RFC 3986.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What JavaScript's `encodeURIComponent` leaves as well.
const COMPONENT: &AsciiSet = &STRICT.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');

/// The query set of the WHATWG URL standard.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');

/// As it is and in every encoding that a server may reflect it in.
pub(super) fn of(secret: &[u8]) -> Vec<Form> {
    let mut forms = vec![Zeroizing::new(secret.to_vec())];
    forms.extend(whole_base64(secret));
    forms.extend(embedded_base64(secret));
    forms.extend(percent_encoded(secret));
    forms.extend(escaped(secret));
    forms
}

/// Base64 of exactly these bytes, without padding: its last digit is known because nothing follows.
pub(super) fn whole_base64(bytes: &[u8]) -> [Form; 2] {
    [STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)].map(|text| Zeroizing::new(text.into_bytes()))
}

/// The base64 digits that the secret alone decides, at each of its three offsets in a longer text.
fn embedded_base64(secret: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    for before in [&[][..], &[0], &[0, 0]] {
        let padded = Zeroizing::new([before, secret].concat());
        let first_digit = (before.len() * 8).div_ceil(6);
        let end_digit = padded.len() * 8 / 6;
        for engine in [STANDARD, URL_SAFE_NO_PAD] {
            let digits = Zeroizing::new(engine.encode(&*padded));
            forms.extend(digits.as_bytes().get(first_digit..end_digit).map(|d| Zeroizing::new(d.to_vec())));
        }
    }
    forms
}

fn percent_encoded(secret: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    for set in [STRICT, COMPONENT, QUERY] {
        let upper = Zeroizing::new(percent_encode(secret, set).to_string());
        forms.push(Zeroizing::new(lower_hex(&upper)));
        forms.push(Zeroizing::new(upper.as_bytes().to_vec()));
    }
    let form = url::form_urlencoded::byte_serialize(secret).collect::<String>();
    forms.push(Zeroizing::new(lower_hex(&form)));
    forms.push(Zeroizing::new(form.into_bytes()));
    forms
}

/// `%2F` as `%2f`; letters outside of escapes stay.
fn lower_hex(encoded: &str) -> Vec<u8> {
    let mut since_percent = usize::MAX;
    let lower = |byte: u8| {
        since_percent = if byte == b'%' { 0 } else { since_percent.saturating_add(1) };
        if since_percent <= 2 { byte.to_ascii_lowercase() } else { byte }
    };
    encoded.bytes().map(lower).collect()
}

/// As a JSON string or an HTML page would hold it. The same as the secret for most tokens.
fn escaped(secret: &[u8]) -> Vec<Form> {
    let Ok(text) = std::str::from_utf8(secret) else { return Vec::new() };
    let json =
        text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n").replace('\r', r"\r").replace('\t', r"\t");
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let forms = [json.replace('/', r"\/"), unicode_escaped(&json), html.replace('\'', "&#39;"), html, json];
    forms.map(|form| Zeroizing::new(form.into_bytes())).into()
}

/// With the escapes that encoders add so that JSON can stand in HTML.
fn unicode_escaped(json: &str) -> String {
    let html_safe = [('&', r"\u0026"), ('<', r"\u003c"), ('>', r"\u003e"), ('\'', r"\u0027"), ('+', r"\u002b")];
    html_safe.iter().fold(json.to_owned(), |text, (plain, escape)| text.replace(*plain, escape))
}
