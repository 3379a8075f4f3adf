//! Compiled code under a MAC. Loading native code is trusting it, so only what this
//! installation compiled is ever loaded.

use ring::hmac;

/// HMAC-SHA256 of the code, in front of it.
const MAC_LEN: usize = 32;

/// Native code of a component and its MAC, as it rests in the store.
#[derive(Clone)]
pub struct SealedAot(Vec<u8>);

/// Makes and checks the MAC. One per installation.
pub(crate) struct Seal(hmac::Key);

/// The code was not made by this installation, or was changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the compiled code's MAC does not match: it was not made here, or was changed")]
pub struct BrokenSeal;

impl SealedAot {
    /// From the store. Nothing is believed until the sandbox has checked the MAC.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// For the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Seal {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(crate) fn seal(&self, code: &[u8]) -> SealedAot {
        let mut sealed = Vec::with_capacity(MAC_LEN + code.len());
        sealed.extend_from_slice(hmac::sign(&self.0, code).as_ref());
        sealed.extend_from_slice(code);
        SealedAot(sealed)
    }

    /// The code, if the MAC is right. The caller loads this very buffer.
    pub(crate) fn open<'a>(&self, sealed: &'a SealedAot) -> Result<&'a [u8], BrokenSeal> {
        let (mac, code) = sealed.0.split_at_checked(MAC_LEN).ok_or(BrokenSeal)?;
        hmac::verify(&self.0, code, mac).map_err(|_| BrokenSeal)?;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed() {
        let seal = Seal::new(&[7; 32]);
        let sealed = seal.seal(b"code");
        assert_eq!(seal.open(&sealed), Ok(b"code".as_slice()));
        let mut changed = sealed.as_bytes().to_vec();
        *changed.last_mut().unwrap() ^= 1;
        for foreign in [changed, vec![], vec![0; 40], sealed.as_bytes()[..33].to_vec()] {
            assert_eq!(seal.open(&SealedAot::from_bytes(foreign)), Err(BrokenSeal));
        }
        assert_eq!(Seal::new(&[8; 32]).open(&sealed), Err(BrokenSeal));
    }
}
