use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::Error;

/// JSON text: arguments, records, cursors, schemas. Kept as text, so that what is only passed on
/// is neither parsed nor copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(Cow<'static, str>);

impl Json {
    /// Text that is known to be JSON when it is written, such as a schema. Not checked.
    pub const fn literal(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Text that somebody else made and checked. Not checked again.
    pub fn from_text(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// A value as JSON.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Ok(Self::from_text(serde_json::to_string(value)?))
    }

    /// Reads a value out of the text. What does not fit is the sender's fault: `invalid`.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_str(&self.0).map_err(|error| Error::Invalid(error.to_string()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    pub fn into_text(self) -> String {
        self.0.into_owned()
    }
}

impl Default for Json {
    /// `{}`: no fields, and as a schema, anything.
    fn default() -> Self {
        Self::literal("{}")
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self::from_text(value.to_string())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
