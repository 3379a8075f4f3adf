use http::Method;
use sophia_domain::{RequestPattern, Scope};
use url::Url;

/// Where an upstream's API is: a URL that ends in `/v1`. One per upstream.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// Without the `/v1`.
    root: String,
    address: String,
    scope: Scope,
    listing: Scope,
}

impl Base {
    /// None where it is no such URL, or has a user, a query or a fragment.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url: Url = text.trim_end_matches('/').parse().ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !is_plain || !matches!(url.scheme(), "http" | "https") || url.fragment().is_some() {
            return None;
        }
        let root = url.as_str().strip_suffix("/v1")?.to_owned();
        let address = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
        Some(Self {
            root,
            address,
            scope: scope(&url, Method::POST, &["/v1/*", "/tokenize"])?,
            listing: scope(&url, Method::GET, &["/v1/models"])?,
        })
    }

    /// As an operator would write it.
    pub(crate) fn url(&self) -> String {
        format!("{}/v1", self.root)
    }

    /// One of its methods, such as `chat/completions`.
    pub(crate) fn method(&self, name: &str) -> String {
        format!("{}/v1/{name}", self.root)
    }

    /// Where vLLM counts tokens: beside the API, not within it.
    pub(crate) fn tokenizer(&self) -> String {
        format!("{}/tokenize", self.root)
    }

    /// Whether others on the way could read what is sent.
    pub(crate) fn is_plaintext(&self) -> bool {
        self.root.starts_with("http://")
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What may be sent there: its own methods and nothing else.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What may be sent there to learn what it serves.
    pub(crate) fn listing(&self) -> &Scope {
        &self.listing
    }
}

fn scope(url: &Url, method: Method, paths: &[&str]) -> Option<Scope> {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let (host, path) = (escaped(url.host_str()?), escaped(url.path().strip_suffix("/v1")?));
    let root = format!("{method} {}://{host}{port}{path}", url.scheme());
    let patterns: Result<Vec<RequestPattern>, _> = paths.iter().map(|path| format!("{root}{path}").parse()).collect();
    patterns.ok().map(Scope::new)
}

/// What is literal stays so in a pattern, where a colon of an IPv6 address would begin a group.
fn escaped(literal: &str) -> String {
    let mut pattern = String::new();
    for c in literal.chars() {
        if matches!(c, ':' | '*' | '+' | '?' | '(' | ')' | '{' | '}' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_methods_are_in_its_scope_and_nothing_else_is() {
        for text in ["http://[::1]:8000/v1/", "https://api.example.com/x:y/v1", "http://127.0.0.1:9/v1"] {
            let base = Base::parse(text).unwrap_or_else(|| panic!("{text}"));
            let allows = |url: &str| base.scope().allows(&Method::POST, &url.parse().unwrap());
            assert!(allows(&base.method("chat/completions")) && allows(&base.tokenizer()), "{text}");
            assert!(!allows(&base.tokenizer().replace("tokenize", "admin")), "{text}");
            assert!(!base.scope().allows(&Method::GET, &base.method("models").parse().unwrap()), "{text}");
        }
        let base = Base::parse("http://[::1]:8000/x/v1/").unwrap();
        assert_eq!(base.method("embeddings"), "http://[::1]:8000/x/v1/embeddings");
        assert_eq!((base.tokenizer().as_str(), base.address()), ("http://[::1]:8000/x/tokenize", "[::1]:8000"));
    }

    #[test]
    fn is_a_plain_url_that_ends_in_v1() {
        for text in [
            "",
            "a.example/v1",
            "ftp://a.example/v1",
            "http://a.example/",
            "http://u@a.example/v1",
            "http://a.example/v1?x",
        ] {
            assert!(Base::parse(text).is_none(), "{text}");
        }
    }
}
