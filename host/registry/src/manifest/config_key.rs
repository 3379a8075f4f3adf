use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A key of a connection's configuration, or the beginning of some with `*`: `sync.*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfigKey(String);

/// Text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a configuration key is 1 to 128 of a-z, A-Z, 0-9, `.`, `-`, `_`, and may end in `*`")]
pub struct ConfigKeyError;

const MAX_LEN: usize = 128;

impl ConfigKey {
    /// Whether a key is meant.
    pub fn matches(&self, key: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => key == self.0,
        }
    }

    /// Whether text is one whole key, as a connection has them.
    pub fn is_key(text: &str) -> bool {
        !text.ends_with('*') && text.parse::<Self>().is_ok()
    }
}

impl FromStr for ConfigKey {
    type Err = ConfigKeyError;

    fn from_str(text: &str) -> Result<Self, ConfigKeyError> {
        let literal = text.strip_suffix('*').unwrap_or(text);
        let is_plain = literal.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if is_plain && (1..=MAX_LEN).contains(&text.len()) { Ok(Self(text.to_owned())) } else { Err(ConfigKeyError) }
    }
}

impl TryFrom<String> for ConfigKey {
    type Error = ConfigKeyError;

    fn try_from(text: String) -> Result<Self, ConfigKeyError> {
        text.parse()
    }
}

impl From<ConfigKey> for String {
    fn from(key: ConfigKey) -> Self {
        key.0
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_keys_and_beginnings() {
        for (pattern, key, expected) in [
            ("sync.*", "sync.days", true),
            ("sync.*", "sync", false),
            ("sync.*", "async.days", false),
            ("region", "region", true),
            ("region", "region.x", false),
            ("*", "anything", true),
        ] {
            assert_eq!(pattern.parse::<ConfigKey>().unwrap().matches(key), expected, "{pattern} {key}");
        }
        for text in ["", "a b", "a*b", "**", "ä"] {
            assert!(text.parse::<ConfigKey>().is_err(), "{text}");
        }
    }
}
