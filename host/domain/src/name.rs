use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Text that cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: use 1 to 63 of a-z, 0-9 and `-`, beginning with a letter")]
pub struct NameError(String);

/// Longest name. DNS labels have the same bound, so that a plugin can become a host name.
const MAX_NAME_LEN: usize = 63;

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_LEN
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(NameError(shortened(text))) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// Whose data and money it is. Cheap to clone.
    TenantId
    /// A named line of versions, unique within a tenant. Cheap to clone.
    PluginName
    /// One account at a vendor, unique within a tenant and connector. Cheap to clone.
    ConnectionName
    /// A secret's name, unique within a tenant and environment. Cheap to clone.
    SecretName
}

impl TenantId {
    /// The tenant that is always there.
    pub fn main() -> Self {
        Self("main".into())
    }
}

/// A refused name as it may be shown: without control characters, and not longer than a name plus a few.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_NAME_LEN + 8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_and_nothing_that_could_be_a_path() {
        for good in ["a", "hubspot", "cost-aware", "x2"] {
            assert!(good.parse::<PluginName>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "A", "2x", "-x", "a/b", "..", "a.b", "a b", "ä", "a\0", long.as_str()] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad}");
        }
    }
}
