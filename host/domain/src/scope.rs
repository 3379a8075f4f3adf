//! Which requests are meant: a method and a WHATWG URL Pattern.
//!
//! One decision, used by the manifest's asks, the operator's grants, a secret's scope and a
//! credential's scope alike, always against a parsed `Url`, so that every layer sees `%2e%2e`,
//! case and ports the same way. An empty scope matches nothing.

use std::{fmt, str::FromStr, sync::Arc};

use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;
use urlpattern::{UrlPattern, UrlPatternInit, UrlPatternMatchInput, UrlPatternOptions};

/// `GET https://api.example.com/v1/*`, or without a method for any.
/// Written by people, so it keeps the text it came from. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestPattern {
    text: Arc<str>,
    method: Option<Method>,
    pattern: Arc<UrlPattern>,
}

/// A set of patterns. Matches where one of them does.
///
/// Read from text it has at most 256: each request is compared with all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<RequestPattern>")]
pub struct Scope(Vec<RequestPattern>);

/// Why text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nothing, or more than a method and a URL.
    #[error("`{0}`: write `METHOD URL-PATTERN`, such as `GET https://api.example.com/v1/*`")]
    Shape(String),
    /// Not one of the methods that may be granted.
    #[error("`{0}` is no method that can be granted: use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")]
    Method(String),
    /// Not a URL pattern.
    #[error("`{0}` is no URL pattern")]
    Pattern(String),
    /// Another scheme than http and https, or a pattern for one.
    #[error("`{0}`: the scheme must be http or https, written out")]
    Protocol(String),
    /// A user or password, which a URL that leaves the node may never have.
    #[error("`{0}`: a user or password cannot be part of a pattern")]
    UserInfo(String),
    /// More patterns than a request is compared with.
    #[error("{0} patterns are too many: write at most {MAX_PATTERNS}, with `*` where paths are alike")]
    TooMany(usize),
    /// A regular expression group, which cannot be compared with another pattern.
    #[error("`{0}`: groups in parentheses are not supported, use `*`")]
    Group(String),
}

/// A comparison takes about a microsecond, and the longest manifest of a real connector has some
/// dozen patterns.
const MAX_PATTERNS: usize = 256;

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

impl Scope {
    /// A scope of these patterns.
    pub fn new(patterns: Vec<RequestPattern>) -> Self {
        Self(patterns)
    }

    /// Whether a request is meant.
    pub fn allows(&self, method: &Method, url: &Url) -> bool {
        self.0.iter().any(|pattern| pattern.matches(method, url))
    }

    /// Whether this scope certainly holds all that `ask` means. May say no where a person would
    /// see that it does; never yes where it does not.
    pub fn covers(&self, ask: &RequestPattern) -> bool {
        self.0.iter().any(|pattern| pattern.covers(ask))
    }

    /// The patterns as written.
    pub fn patterns(&self) -> &[RequestPattern] {
        &self.0
    }

    /// Whether nothing is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<RequestPattern>> for Scope {
    type Error = ScopeError;

    fn try_from(patterns: Vec<RequestPattern>) -> Result<Self, ScopeError> {
        if patterns.len() > MAX_PATTERNS {
            return Err(ScopeError::TooMany(patterns.len()));
        }
        Ok(Self(patterns))
    }
}

impl RequestPattern {
    /// Whether a request is meant.
    pub fn matches(&self, method: &Method, url: &Url) -> bool {
        self.method.as_ref().is_none_or(|m| m == method)
            && self.pattern.test(UrlPatternMatchInput::Url(url.clone())).unwrap_or(false)
    }

    /// See [`Scope::covers`]: equal but for a path or query that ends in `*` here.
    pub fn covers(&self, other: &Self) -> bool {
        let (a, b) = (&self.pattern, &other.pattern);
        (self.method.is_none() || self.method == other.method)
            && a.protocol() == b.protocol()
            && a.hostname() == b.hostname()
            && a.port() == b.port()
            && part_covers(a.pathname(), b.pathname())
            && part_covers(a.search(), b.search())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for RequestPattern {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut words = text.split_ascii_whitespace();
        let (method, url) = match (words.next(), words.next(), words.next()) {
            (Some(url), None, None) => (None, url),
            (Some(method), Some(url), None) => (Some(parse_method(method)?), url),
            _ => return Err(ScopeError::Shape(text.to_owned())),
        };
        Ok(Self { text: text.into(), method, pattern: Arc::new(parse_pattern(url)?) })
    }
}

fn parse_method(text: &str) -> Result<Method, ScopeError> {
    METHODS.into_iter().find(|m| m.as_str() == text).ok_or_else(|| ScopeError::Method(text.to_owned()))
}

fn parse_pattern(text: &str) -> Result<UrlPattern, ScopeError> {
    let refuse = || ScopeError::Pattern(text.to_owned());
    let mut init = UrlPatternInit::parse_constructor_string::<regex::Regex>(text, None).map_err(|_| refuse())?;
    if !matches!(init.protocol.as_deref(), Some("http" | "https")) {
        return Err(ScopeError::Protocol(text.to_owned()));
    }
    if init.hostname.as_deref().is_none_or(str::is_empty) {
        return Err(refuse());
    }
    if text.contains('@') {
        return Err(ScopeError::UserInfo(text.to_owned()));
    }
    init.search.get_or_insert_with(|| "*".to_owned());
    let pattern = <UrlPattern>::parse(init, UrlPatternOptions::default()).map_err(|_| refuse())?;
    if pattern.has_regexp_groups() {
        return Err(ScopeError::Group(text.to_owned()));
    }
    Ok(pattern)
}

/// Whether one component of a pattern holds another: equal, or a literal prefix and `*`.
fn part_covers(wide: &str, narrow: &str) -> bool {
    let is_literal = |text: &str| !text.contains(['*', ':', '{', '}', '(', ')', '+', '?', '\\']);
    wide == narrow || wide.strip_suffix('*').is_some_and(|prefix| is_literal(prefix) && narrow.starts_with(prefix))
}

impl TryFrom<String> for RequestPattern {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<RequestPattern> for String {
    fn from(pattern: RequestPattern) -> Self {
        pattern.text.as_ref().to_owned()
    }
}

impl PartialEq for RequestPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RequestPattern {}

impl fmt::Debug for RequestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl fmt::Display for RequestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str]) -> Scope {
        Scope::new(patterns.iter().map(|p| p.parse().unwrap()).collect())
    }

    #[test]
    fn matches_the_parsed_url() {
        let scope = scope(&["GET https://api.example.com/v1/*", "POST https://api.example.com/v1/*/search"]);
        for (method, url, expected) in [
            ("GET", "https://api.example.com/v1/contacts", true),
            ("GET", "https://API.EXAMPLE.com:443/v1/contacts?after=2#top", true),
            ("GET", "https://api.example.com/v1/a/%2e%2e/%2e%2e/v2", false),
            ("GET", "https://api.example.com/v1/../v2", false),
            ("GET", "https://api.example.com\\v1\\x", true),
            ("GET", "https://api.example.com:8443/v1/x", false),
            ("GET", "http://api.example.com/v1/x", false),
            ("GET", "https://api.example.com.evil.net/v1/x", false),
            ("GET", "https://api.example.com@evil.net/v1/x", false),
            ("GET", "https://api.example.com./v1/x", false),
            ("PUT", "https://api.example.com/v1/x", false),
            ("POST", "https://api.example.com/v1/deals/search", true),
            ("POST", "https://api.example.com/v1/deals", false),
        ] {
            let method: Method = method.parse().unwrap();
            assert_eq!(scope.allows(&method, &Url::parse(url).unwrap()), expected, "{method} {url}");
        }
        assert!(!Scope::default().allows(&Method::GET, &Url::parse("https://a.example/").unwrap()));
    }

    #[test]
    fn matches_a_query_only_where_the_pattern_has_one() {
        let any = scope(&["https://a.example/x"]);
        let one = scope(&["https://a.example/x\\?kind=a"]);
        let url = |text| Url::parse(text).unwrap();
        assert!(any.allows(&Method::GET, &url("https://a.example/x?kind=b")));
        assert!(one.allows(&Method::GET, &url("https://a.example/x?kind=a")));
        assert!(!one.allows(&Method::GET, &url("https://a.example/x?kind=b")));
        assert!(!one.allows(&Method::GET, &url("https://a.example/x")));
    }

    #[test]
    fn covers_only_what_it_certainly_holds() {
        let wide = scope(&["GET https://a.example/v1/*", "https://b.example/*"]);
        for (ask, expected) in [
            ("GET https://a.example/v1/*", true),
            ("GET https://a.example/v1/x/*", true),
            ("GET https://a.example/v1/x", true),
            ("POST https://a.example/v1/x", false),
            ("https://a.example/v1/x", false),
            ("GET https://a.example/*", false),
            ("DELETE https://b.example/z", true),
            ("GET https://*.example/v1/x", false),
            ("GET http://b.example/z", false),
        ] {
            assert_eq!(wide.covers(&ask.parse().unwrap()), expected, "{ask}");
        }
    }

    #[test]
    fn holds_no_more_patterns_than_a_request_is_compared_with() {
        let json = |n: usize| format!("[{}]", vec![r#""https://a.example/x""#; n].join(","));
        assert!(serde_json::from_str::<Scope>(&json(MAX_PATTERNS)).is_ok());
        let error = serde_json::from_str::<Scope>(&json(MAX_PATTERNS + 1)).unwrap_err();
        assert!(error.to_string().starts_with("257 patterns are too many"), "{error}");
        assert_eq!(serde_json::to_string(&scope(&["https://a.example/x"])).unwrap(), json(1));
    }

    #[test]
    fn refuses_what_cannot_be_a_pattern() {
        for text in [
            "",
            "GET",
            "get https://a.example/",
            "CONNECT https://a.example/",
            "GET https://a.example/ x",
            "GET ftp://a.example/",
            "GET *://a.example/",
            "GET https:///x",
            "GET https://u:p@a.example/",
            "GET https://a.example/(x|y)",
            "/relative",
        ] {
            assert!(text.parse::<RequestPattern>().is_err(), "{text}");
        }
    }
}
