use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Below this a key could be guessed.
const MIN_KEY_BYTES: usize = 16;

/// What tells a leaked key's finder, and a scanner, what it is: the operator's.
pub(crate) const OPERATOR_PREFIX: &str = "sophia_op_";

/// The same, of a caller's.
pub(crate) const KEY_PREFIX: &str = "sophia_key_";

/// A key that was just made. There is no second chance to see it. Wiped when dropped.
pub struct NewKey(Zeroizing<String>);

/// A key as it is kept: enough to recognise it, not to use it.
#[derive(Clone, Copy)]
pub(crate) struct KeyHash([u8; 32]);

impl NewKey {
    /// 256 random bits behind a prefix.
    pub(crate) fn generate(prefix: &str) -> Option<Self> {
        let mut bits = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(bits.as_mut_slice()).ok()?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(bits.as_slice()));
        Some(Self(Zeroizing::new(format!("{prefix}{}", *encoded))))
    }

    /// The key, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl KeyHash {
    pub(crate) fn of(key: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(hash)
    }

    /// Of a key that the operator chose; none for one that could be guessed or not be sent.
    pub(crate) fn of_chosen(key: &str) -> Option<Self> {
        let is_fit = key.len() >= MIN_KEY_BYTES && key.bytes().all(|b| b.is_ascii_graphic());
        is_fit.then(|| Self::of(key.as_bytes()))
    }

    pub(crate) fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey(..)")
    }
}
