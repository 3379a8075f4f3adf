use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A secret on its way in: from the operator's request to the seal. Wiped when dropped, and
/// without a way to print it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct SecretValue(Zeroizing<Vec<u8>>);

/// Why a value cannot be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretValueError {
    /// So short that hiding it in answers would hide ordinary text too.
    #[error("a secret needs at least {} bytes", SecretValue::MIN_BYTES)]
    TooShort,
    /// Longer than any key or token is.
    #[error("a secret has at most {} bytes", SecretValue::MAX_BYTES)]
    TooLong,
}

impl SecretValue {
    /// Below this the redaction of answers would tear ordinary text apart.
    pub const MIN_BYTES: usize = 8;
    /// Room for a PEM key with its chain. Bounds what a redactor must keep in view.
    pub const MAX_BYTES: usize = 16 << 10;

    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretValueError> {
        let bytes = Zeroizing::new(bytes.into());
        match bytes.len() {
            n if n < Self::MIN_BYTES => Err(SecretValueError::TooShort),
            n if n > Self::MAX_BYTES => Err(SecretValueError::TooLong),
            _ => Ok(Self(bytes)),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for SecretValue {
    type Error = SecretValueError;

    fn try_from(text: String) -> Result<Self, SecretValueError> {
        Self::new(text)
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_bounds_and_prints_nothing() {
        assert_eq!(SecretValue::new("hunter2").err(), Some(SecretValueError::TooShort));
        assert_eq!(SecretValue::new(vec![b'x'; (16 << 10) + 1]).err(), Some(SecretValueError::TooLong));
        assert_eq!(format!("{:?}", SecretValue::new("pat-na1-1234").unwrap()), "SecretValue(..)");
    }
}
