//! Sealing: AES-256-GCM under a key derived from the master key.
//!
//! What a sealed value belongs to (tenant, environment, name, version, scope) is authenticated
//! with it, so that a row moved, renamed, rolled back or rescoped in the database does not open.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

/// Changes when the layout of a seal does.
const LAYOUT: &[u8] = b"sophia secret 1";

/// Opens and closes seals. Built once at boot.
pub(crate) struct Sealer {
    key: LessSafeKey,
    random: SystemRandom,
}

/// What a secret is sealed to.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) environment: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: u32,
    pub(crate) scope_json: &'a str,
}

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, Unspecified> {
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?), random: SystemRandom::new() })
    }

    /// A fresh random nonce, the ciphertext and its tag. Random 96-bit nonces are safe for 2^32
    /// seals under one key (NIST SP 800-38D 8.3); secrets are written by people.
    pub(crate) fn seal(&self, place: Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let mut buffer = Zeroizing::new(plaintext.to_vec());
        let tag = self.key.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.to_bytes()),
            &mut buffer,
        )?;
        Ok([&nonce, buffer.as_slice(), tag.as_ref()].concat())
    }

    /// The plaintext; an error for anything that was not sealed here, by this key, to this place.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unspecified)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plaintext_len = self.key.open_in_place(nonce, Aad::from(place.to_bytes()), &mut buffer)?.len();
        buffer.truncate(plaintext_len);
        Ok(buffer)
    }
}

impl Place<'_> {
    /// Each part with its length before it, so that no two places look alike.
    fn to_bytes(self) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        let parts = [
            LAYOUT,
            self.tenant.as_bytes(),
            self.environment.as_bytes(),
            self.name.as_bytes(),
            &version,
            self.scope_json.as_bytes(),
        ];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> =
        Place { tenant: "main", environment: "development", name: "hubspot", version: 3, scope_json: "[]" };

    #[test]
    fn opens_only_at_its_own_place() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let sealed = sealer.seal(PLACE, b"pat-na1-secret").unwrap();
        assert_eq!(sealer.open(PLACE, &sealed).unwrap().as_slice(), b"pat-na1-secret");
        for place in [
            Place { tenant: "other", ..PLACE },
            Place { environment: "production", ..PLACE },
            Place { name: "linear", ..PLACE },
            Place { version: 4, ..PLACE },
            Place { scope_json: r#"["https://evil.example/*"]"#, ..PLACE },
            Place { environment: "developmenthub", name: "spot", ..PLACE },
        ] {
            assert!(sealer.open(place, &sealed).is_err());
        }
    }

    #[test]
    fn opens_nothing_that_was_touched() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let sealed = sealer.seal(PLACE, b"pat-na1-secret").unwrap();
        for i in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[i] ^= 1;
            assert!(sealer.open(PLACE, &touched).is_err(), "byte {i}");
            assert!(sealer.open(PLACE, &sealed[..i]).is_err(), "cut at {i}");
        }
        assert!(Sealer::new(&[8; 32]).unwrap().open(PLACE, &sealed).is_err());
    }

    #[test]
    fn never_seals_twice_alike() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        assert_ne!(sealer.seal(PLACE, b"same").unwrap(), sealer.seal(PLACE, b"same").unwrap());
    }
}
