use ring::hmac;
use serde::{Deserialize, Serialize};

/// How a signature is made; the names are the manifest's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// HMAC with SHA-256: 32 bytes.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// HMAC with SHA-512: 64 bytes.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
    /// HMAC with SHA-1: 20 bytes. Only ever verified, for vendors that still send it.
    #[serde(rename = "hmac-sha1")]
    HmacSha1,
}

impl Algorithm {
    /// The word used in manifests, asks and grants.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha512 => "hmac-sha512",
            Self::HmacSha1 => "hmac-sha1",
        }
    }

    /// Whether `mac` is the whole signature of `message`. Takes the same time for every wrong one.
    pub(crate) fn verifies(self, secret: &[u8], message: &[u8], mac: &[u8]) -> bool {
        let algorithm = match self {
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha512 => hmac::HMAC_SHA512,
            Self::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        };
        hmac::verify(&hmac::Key::new(algorithm, secret), message, mac).is_ok()
    }
}
