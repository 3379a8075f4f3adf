//! What a redirect means (RFC 9110 15.4, and the Fetch standard where browsers agreed on more).

use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use url::Url;

/// A redirect that can be followed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) url: Url,
    pub(crate) method: Method,
    pub(crate) keeps_body: bool,
}

/// A `location` that is no URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLocation;

/// Describe a body that a redirect to `GET` leaves behind.
const BODY: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
];

/// What the plugin set for one origin and nobody else's eyes.
const PERSONAL: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// Where an answer redirects; none where it does not.
pub(crate) fn read(
    status: StatusCode,
    headers: &HeaderMap,
    from: &Url,
    method: &Method,
) -> Result<Option<Redirect>, BadLocation> {
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = headers.get(header::LOCATION).filter(|_| is_redirect) else { return Ok(None) };
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| BadLocation)?;
    let mut url = from.join(location).map_err(|_| BadLocation)?;
    url.set_fragment(None);
    let becomes_get = match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => *method != Method::HEAD,
        _ => false,
    };
    let method = if becomes_get { Method::GET } else { method.clone() };
    Ok(Some(Redirect { url, method, keeps_body: !becomes_get }))
}

/// The plugin's headers for the next request.
pub(crate) fn carry_headers(headers: &mut HeaderMap, from: &Url, redirect: &Redirect) {
    if !redirect.keeps_body {
        BODY.iter().for_each(|name| drop(headers.remove(name)));
    }
    if from.origin() != redirect.url.origin() {
        PERSONAL.iter().for_each(|name| drop(headers.remove(name)));
    }
}

/// The URL without a parameter that the host had injected and the server sent back.
pub(crate) fn without_parameter(url: &mut Url, name: &str) {
    let Some(query) = url.query() else { return };
    let is_it = |pair: &&str| url::form_urlencoded::parse(pair.as_bytes()).any(|(key, _)| key == name);
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_it(pair)).collect();
    let kept = kept.join("&");
    url.set_query(Some(kept.as_str()).filter(|query| !query.is_empty()));
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn keeps_or_changes_the_method() {
        for (status, method, next, keeps_body) in [
            (301, "POST", "GET", false),
            (302, "POST", "GET", false),
            (301, "PUT", "PUT", true),
            (302, "DELETE", "DELETE", true),
            (302, "GET", "GET", true),
            (303, "POST", "GET", false),
            (303, "PUT", "GET", false),
            (303, "HEAD", "HEAD", true),
            (307, "POST", "POST", true),
            (308, "POST", "POST", true),
        ] {
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static("/next#part"))]);
            let status = StatusCode::from_u16(status).unwrap();
            let method: Method = method.parse().unwrap();
            let redirect = read(status, &headers, &url("https://a.example/x?y"), &method).unwrap().unwrap();
            assert_eq!(redirect.url, url("https://a.example/next"));
            assert_eq!((redirect.method.as_str(), redirect.keeps_body), (next, keeps_body), "{status} {method}");
        }
    }

    #[test]
    fn is_only_what_says_where_to() {
        let from = url("https://a.example/x");
        let read = |status: u16, location: Option<&[u8]>| {
            let location = location.map(|l| (header::LOCATION, HeaderValue::from_bytes(l).unwrap()));
            let status = StatusCode::from_u16(status).unwrap();
            read(status, &HeaderMap::from_iter(location), &from, &Method::GET)
        };
        assert_eq!(read(200, Some(b"/y")), Ok(None));
        assert_eq!(read(304, Some(b"/y")), Ok(None));
        assert_eq!(read(302, None), Ok(None));
        assert_eq!(read(302, Some(b"https://")), Err(BadLocation));
        assert_eq!(read(302, Some(b"\xff")), Err(BadLocation));
    }

    #[test]
    fn drops_what_was_for_another_origin_or_body() {
        let from = url("https://a.example/x");
        let all = || {
            let names = ["authorization", "cookie", "content-type", "x-own"];
            HeaderMap::from_iter(names.map(|n| (HeaderName::from_static(n), HeaderValue::from_static("v"))))
        };
        for (to, keeps_body, left) in [
            ("https://a.example/y", true, &["authorization", "content-type", "cookie", "x-own"][..]),
            ("https://a.example/y", false, &["authorization", "cookie", "x-own"]),
            ("https://b.example/y", true, &["content-type", "x-own"]),
            ("http://a.example/y", true, &["content-type", "x-own"]),
            ("https://a.example:8443/y", true, &["content-type", "x-own"]),
        ] {
            let mut headers = all();
            carry_headers(&mut headers, &from, &Redirect { url: url(to), method: Method::GET, keeps_body });
            let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, left, "{to} {keeps_body}");
        }
    }

    #[test]
    fn takes_back_an_injected_parameter() {
        for (before, after) in [
            ("https://a.example/?api_key=***&b=%20x", "https://a.example/?b=%20x"),
            ("https://a.example/?api%5Fkey=***", "https://a.example/"),
            ("https://a.example/?other=1", "https://a.example/?other=1"),
            ("https://a.example/", "https://a.example/"),
        ] {
            let mut url = url(before);
            without_parameter(&mut url, "api_key");
            assert_eq!(url.as_str(), after);
        }
    }
}
