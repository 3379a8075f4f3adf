use std::fmt;

use http::{HeaderName, header};
use serde::{Deserialize, Serialize};

/// How a credential is put into a request, as a manifest asks for it.
///
/// Written `{ header = "x-api-key", template = "Key {secret}" }` (the template may be left out),
/// `{ bearer = true }`, `{ basic = "user" }` or `{ query = "api_key" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Injection {
    /// A header of this name, its value made from the template.
    Header {
        /// Lower case.
        name: HeaderName,
        /// Where the secret stands in the value.
        template: Template,
    },
    /// `authorization: Bearer` (RFC 6750).
    Bearer,
    /// `authorization: Basic` with the secret as password (RFC 7617).
    Basic {
        /// The user.
        user: String,
    },
    /// A parameter of the URL's query.
    Query {
        /// Its name.
        name: String,
    },
}

/// A header's value with exactly one place for the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    before: String,
    after: String,
}

/// Why an injection cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectionError {
    /// None of the kinds, or parts of several.
    #[error("write one of `header` (with `template`), `bearer = true`, `basic` and `query`")]
    Shape,
    /// No header name, or one that belongs to the connection or to the host.
    #[error("`{0}` is no header that a credential can be put into")]
    Header(String),
    /// Without exactly one place for the secret, or with what cannot stand in a header.
    #[error("`{0}`: a template is visible text with `{{secret}}` in it once")]
    Template(String),
    /// A user that RFC 7617 does not allow.
    #[error("`{0}`: a user has no colon and no control characters")]
    User(String),
    /// An empty or very long name.
    #[error("`{0}`: a query parameter has a name of 1 to 64 visible characters")]
    Query(String),
}

/// The manifest's spelling.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bearer: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
}

const PLACE: &str = "{secret}";

/// Headers that frame the message or name its receiver. A secret in one of them would be sent to
/// the wrong party or break the connection.
const NOT_INJECTED: [HeaderName; 10] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
];

impl Injection {
    /// The header it sets, if it sets one.
    pub fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header { name, .. } => Some(name),
            Self::Bearer | Self::Basic { .. } => Some(&header::AUTHORIZATION),
            Self::Query { .. } => None,
        }
    }

    /// The query parameter it sets, if it sets one.
    pub fn query(&self) -> Option<&str> {
        match self {
            Self::Query { name } => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Injection {
    /// As it stands in an ask: `header x-api-key`, `bearer`, `basic user`, `query api_key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, .. } => write!(f, "header {name}"),
            Self::Bearer => f.write_str("bearer"),
            Self::Basic { user } => write!(f, "basic {user}"),
            Self::Query { name } => write!(f, "query {name}"),
        }
    }
}

impl Template {
    /// The value of the header, for this secret.
    pub(crate) fn fill(&self, secret: &[u8]) -> Vec<u8> {
        [self.before.as_bytes(), secret, self.after.as_bytes()].concat()
    }

    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(PLACE)?;
        let is_visible = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        (is_visible && text.len() <= 1024 && !after.contains(PLACE))
            .then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{PLACE}{}", self.before, self.after)
    }
}

impl TryFrom<Written> for Injection {
    type Error = InjectionError;

    fn try_from(written: Written) -> Result<Self, InjectionError> {
        match written {
            Written { header: Some(name), template, bearer: None, basic: None, query: None } => {
                Ok(Self::Header { name: parse_header(&name)?, template: parse_template(template)? })
            }
            Written { bearer: Some(true), header: None, template: None, basic: None, query: None } => Ok(Self::Bearer),
            Written { basic: Some(user), header: None, template: None, bearer: None, query: None } => {
                let is_user = user.len() <= 256 && !user.contains(|c: char| c == ':' || c.is_control());
                if is_user { Ok(Self::Basic { user }) } else { Err(InjectionError::User(user)) }
            }
            Written { query: Some(name), header: None, template: None, bearer: None, basic: None } => {
                let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
                if is_name { Ok(Self::Query { name }) } else { Err(InjectionError::Query(name)) }
            }
            _ => Err(InjectionError::Shape),
        }
    }
}

fn parse_header(text: &str) -> Result<HeaderName, InjectionError> {
    let name = HeaderName::try_from(text).map_err(|_| InjectionError::Header(text.to_owned()))?;
    if NOT_INJECTED.contains(&name) { Err(InjectionError::Header(text.to_owned())) } else { Ok(name) }
}

fn parse_template(text: Option<String>) -> Result<Template, InjectionError> {
    let text = text.unwrap_or_else(|| PLACE.to_owned());
    Template::parse(&text).ok_or(InjectionError::Template(text))
}

impl From<Injection> for Written {
    fn from(injection: Injection) -> Self {
        let mut written = Self { header: None, template: None, bearer: None, basic: None, query: None };
        match injection {
            Injection::Header { name, template } => {
                written.header = Some(name.as_str().to_owned());
                written.template = Some(template.to_string());
            }
            Injection::Bearer => written.bearer = Some(true),
            Injection::Basic { user } => written.basic = Some(user),
            Injection::Query { name } => written.query = Some(name),
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Injection, String> {
        #[derive(Deserialize)]
        struct Line {
            inject: Injection,
        }
        toml::from_str::<Line>(&format!("inject = {text}")).map(|l| l.inject).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn reads_the_four_kinds() {
        for (text, ask) in [
            (r#"{ header = "Authorization", template = "Bearer {secret}" }"#, "header authorization"),
            (r#"{ header = "x-api-key" }"#, "header x-api-key"),
            ("{ bearer = true }", "bearer"),
            (r#"{ basic = "user" }"#, "basic user"),
            (r#"{ basic = "" }"#, "basic "),
            (r#"{ query = "api_key" }"#, "query api_key"),
        ] {
            let injection = parse(text).unwrap();
            assert_eq!(injection.to_string(), ask);
            let json = serde_json::to_string(&injection).unwrap();
            assert_eq!(serde_json::from_str::<Injection>(&json).unwrap(), injection, "{json}");
        }
    }

    #[test]
    fn refuses_what_would_go_astray() {
        for (text, complaint) in [
            ("{}", "write one of"),
            ("{ bearer = false }", "write one of"),
            (r#"{ bearer = true, basic = "u" }"#, "write one of"),
            (r#"{ template = "{secret}" }"#, "write one of"),
            (r#"{ cookie = "a" }"#, "unknown field"),
            (r#"{ header = "host" }"#, "no header"),
            (r#"{ header = "Transfer-Encoding" }"#, "no header"),
            (r#"{ header = "a b" }"#, "no header"),
            (r#"{ header = "x", template = "no place" }"#, "template is"),
            (r#"{ header = "x", template = "{secret}{secret}" }"#, "template is"),
            (r#"{ header = "x", template = "a\n{secret}" }"#, "template is"),
            (r#"{ basic = "a:b" }"#, "no colon"),
            (r#"{ query = "" }"#, "1 to 64"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
