//! What is asked about, and patterns over it.
//!
//! A resource is `kind:name`, such as `plugin:hubspot`. A pattern is the same with `*` for any
//! characters, also none and also `/`, or a `*` alone for all there is. It is compared from the
//! first character to the last: `plugin:hub` is no `plugin:hubspot`, and what is not written is not
//! meant.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal)*) => {
        /// What kind of thing is asked about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All that there are.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word before the colon.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

kinds! {
    /// The audit chain: `audit:chain`.
    Audit = "audit"
    /// `budget:tenant`, `budget:keys/KEY`, `budget:runs/RUN`.
    Budget = "budget"
    /// `connection:CONNECTOR/NAME`.
    Connection = "connection"
    /// What was spent: `cost:tenant`.
    Cost = "cost"
    /// `invitation:EMAIL`.
    Invitation = "invitation"
    /// `key:NAME`.
    Key = "key"
    /// What may be used in a time: `limit:tenant`, `limit:keys/KEY`.
    Limit = "limit"
    /// `model:NAME`, where the name is the class or the model that a request asks for.
    Model = "model"
    /// The node itself: `node:config`, `node:metrics`, `node:permissions`.
    Node = "node"
    /// `plugin:NAME`.
    Plugin = "plugin"
    /// `role:NAME`.
    Role = "role"
    /// `run:PATTERN/ID`.
    Run = "run"
    /// `secret:NAME`.
    Secret = "secret"
    /// `team:NAME`.
    Team = "team"
    /// `tenant:NAME`.
    Tenant = "tenant"
    /// `user:EMAIL`.
    User = "user"
}

/// One thing. Made for each question, mostly without allocating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource<'a> {
    kind: Kind,
    name: Cow<'a, str>,
}

/// Some things. Kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourcePattern(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    /// `*`
    All,
    /// Without a star.
    One(Kind, Box<str>),
    /// With one or more.
    Some(Kind, Box<str>),
}

/// Text that is no resource or no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// No colon, or another word before it.
    #[error("`{0}` names no resource: write `*`, or `KIND:NAME` where the kind is one of {kinds}", kinds = words())]
    Kind(String),
    /// Nothing behind the colon, or what is in no name.
    #[error("`{0}` names no resource: behind the colon stand visible ASCII characters")]
    Name(String),
    /// Longer or with more stars than is compared in a moment.
    #[error("a resource has at most {MAX_BYTES} bytes, and a pattern {MAX_STARS} stars")]
    TooLong,
}

/// Longest resource and pattern: a kind, and two names of 63 characters or one of an e-mail's 254.
const MAX_BYTES: usize = 320;

/// Most stars of a pattern. Comparing takes at most stars × bytes steps.
const MAX_STARS: usize = 8;

impl<'a> Resource<'a> {
    /// A thing of a kind.
    pub fn of(kind: Kind, name: impl Into<Cow<'a, str>>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A plugin.
    pub fn plugin(name: &'a str) -> Self {
        Self::of(Kind::Plugin, name)
    }

    /// A connection of a connector.
    pub fn connection(connector: &str, name: &str) -> Self {
        Self::of(Kind::Connection, format!("{connector}/{name}"))
    }

    /// What a request of a model asks for.
    pub fn model(name: &'a str) -> Self {
        Self::of(Kind::Model, name)
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads `kind:name`.
    pub fn parse(text: &'a str) -> Result<Self, ResourceError> {
        let (kind, name) = split(text)?;
        Ok(Self::of(kind, name))
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name may come from a path, with whatever a caller wrote.
        let name = self.name.chars().filter(|c| !c.is_control()).take(MAX_BYTES).collect::<String>();
        write!(f, "{}:{name}", self.kind.as_str())
    }
}

impl ResourcePattern {
    /// Every resource.
    pub fn all() -> Self {
        Self(Form::All)
    }

    /// One thing, whatever characters are in its name.
    pub fn exactly(kind: Kind, name: &str) -> Self {
        Self(Form::One(kind, name.into()))
    }

    /// Whether it means this.
    pub fn matches(&self, resource: &Resource<'_>) -> bool {
        match &self.0 {
            Form::All => true,
            Form::One(kind, name) => *kind == resource.kind && **name == *resource.name,
            Form::Some(kind, glob) => *kind == resource.kind && matches(glob.as_bytes(), resource.name.as_bytes()),
        }
    }

    /// Whether it may mean something of this kind.
    pub fn concerns(&self, kind: Kind) -> bool {
        match &self.0 {
            Form::All => true,
            Form::One(own, _) | Form::Some(own, _) => *own == kind,
        }
    }

    /// Whether it means all that the other one means.
    ///
    /// A star of the other stands for any characters, one among them that no pattern has but by a
    /// star: where that one is matched, all others are.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::All, _) => true,
            (_, Form::All) | (Form::One(..), Form::Some(..)) => false,
            (Form::One(..), Form::One(..)) => self == other,
            (Form::Some(kind, glob), Form::One(own, name)) => kind == own && matches(glob.as_bytes(), name.as_bytes()),
            (Form::Some(kind, glob), Form::Some(own, narrower)) => {
                kind == own && matches(glob.as_bytes(), narrower.replace('*', "\0").as_bytes())
            }
        }
    }
}

impl FromStr for ResourcePattern {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        if text == "*" {
            return Ok(Self::all());
        }
        let (kind, name) = split(text)?;
        match name.bytes().filter(|b| *b == b'*').count() {
            0 => Ok(Self(Form::One(kind, name.into()))),
            n if n > MAX_STARS => Err(ResourceError::TooLong),
            _ => Ok(Self(Form::Some(kind, name.into()))),
        }
    }
}

impl TryFrom<String> for ResourcePattern {
    type Error = ResourceError;

    fn try_from(text: String) -> Result<Self, ResourceError> {
        text.parse()
    }
}

impl From<ResourcePattern> for String {
    fn from(pattern: ResourcePattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::All => f.write_str("*"),
            Form::One(kind, name) | Form::Some(kind, name) => write!(f, "{}:{name}", kind.as_str()),
        }
    }
}

fn split(text: &str) -> Result<(Kind, &str), ResourceError> {
    if text.len() > MAX_BYTES {
        return Err(ResourceError::TooLong);
    }
    let shown = || text.chars().filter(|c| !c.is_control()).take(64).collect();
    let (word, name) = text.split_once(':').ok_or_else(|| ResourceError::Kind(shown()))?;
    let kind = Kind::ALL.iter().find(|kind| kind.as_str() == word).ok_or_else(|| ResourceError::Kind(shown()))?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    if is_name { Ok((*kind, name)) } else { Err(ResourceError::Name(shown())) }
}

fn words() -> String {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether the whole text is as the glob says. The last star is widened until the rest fits, which
/// is enough: an earlier star that took less takes no possibility away.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut place, mut star) = (0, 0, None);
    while let Some(byte) = text.get(place) {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(same) if same == byte => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((last, from)) = star else { return false };
                star = Some((last, from + 1));
                at = last + 1;
                place = from + 1;
            }
        }
    }
    glob.get(at..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ResourcePattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_means_what_is_written_from_end_to_end() {
        for (text, resource, expected) in [
            ("plugin:hubspot", "plugin:hubspot", true),
            ("plugin:hub", "plugin:hubspot", false),
            ("plugin:spot", "plugin:hubspot", false),
            ("plugin:hubspot", "plugin:hub", false),
            ("plugin:hubspot", "secret:hubspot", false),
            ("secret:crm-*", "secret:crm-hubspot", true),
            ("secret:crm-*", "secret:crm-", true),
            ("secret:crm-*", "secret:crm", false),
            ("secret:crm-*", "secret:old-crm-x", false),
            ("connection:hubspot/*", "connection:hubspot/emea", true),
            ("connection:hubspot/*", "connection:hubspot2/emea", false),
            ("connection:*/emea", "connection:hubspot/emea", true),
            ("connection:*", "connection:hubspot/emea", true),
            ("key:*a*b", "key:xaxbab", true),
            ("key:*a*b", "key:xbxa", false),
            ("plugin:*", "secret:x", false),
            ("*", "secret:x", true),
            ("user:a.c", "user:abc", false),
        ] {
            assert_eq!(pattern(text).matches(&Resource::parse(resource).unwrap()), expected, "{text} {resource}");
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn a_pattern_covers_what_means_no_more() {
        for (wide, narrow, expected) in [
            ("*", "*", true),
            ("*", "plugin:*", true),
            ("plugin:*", "*", false),
            ("plugin:*", "plugin:hub*", true),
            ("plugin:hub*", "plugin:*", false),
            ("plugin:hub*", "plugin:hubspot", true),
            ("plugin:hub*", "plugin:hubspot*", true),
            ("plugin:hub*", "plugin:*hub*", false),
            ("plugin:a*c", "plugin:a*b*c", true),
            ("plugin:a*b*c", "plugin:a*c", false),
            ("plugin:hubspot", "plugin:hubspot", true),
            ("plugin:hubspot", "plugin:hubspot*", false),
            ("plugin:*", "secret:x", false),
            ("connection:hubspot/*", "connection:hubspot/emea", true),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        let (long, stars) = (format!("plugin:{}", "x".repeat(MAX_BYTES)), format!("plugin:{}", "a*".repeat(9)));
        for (text, expected) in [
            ("", ResourceError::Kind(String::new())),
            ("plugin", ResourceError::Kind("plugin".into())),
            ("plug*:x", ResourceError::Kind("plug*:x".into())),
            ("thing:x", ResourceError::Kind("thing:x".into())),
            ("plugin:", ResourceError::Name("plugin:".into())),
            ("plugin:a b", ResourceError::Name("plugin:a b".into())),
            ("plugin:ä", ResourceError::Name("plugin:ä".into())),
            (&long, ResourceError::TooLong),
            (&stars, ResourceError::TooLong),
        ] {
            assert_eq!(text.parse::<ResourcePattern>().unwrap_err(), expected, "{text}");
        }
    }

    /// All words of two letters up to a length, against the meaning spelt out.
    #[test]
    fn agrees_with_the_plain_definition() {
        fn plain(glob: &[u8], text: &[u8]) -> bool {
            match (glob.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => plain(rest, text) || (!text.is_empty() && plain(glob, &text[1..])),
                (Some((a, glob)), Some((b, text))) if a == b => plain(glob, text),
                _ => false,
            }
        }
        fn words(letters: &[u8], longest: usize) -> Vec<Vec<u8>> {
            let mut all = vec![Vec::new()];
            let mut last = all.clone();
            for _ in 0..longest {
                last = last.iter().flat_map(|word| letters.iter().map(|b| [&word[..], &[*b]].concat())).collect();
                all.extend(last.clone());
            }
            all
        }
        for glob in words(b"ab*", 5) {
            for text in words(b"ab", 5) {
                assert_eq!(matches(&glob, &text), plain(&glob, &text), "{glob:?} {text:?}");
            }
        }
    }
}
