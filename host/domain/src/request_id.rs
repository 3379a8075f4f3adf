use std::fmt;

/// Names one request in its answer, the access line and every log line; also its W3C trace id.
/// 128 random bits, written as 32 lower-case hex digits, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// From random bits, or from the trace id of an incoming `traceparent`.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits.max(1))
    }

    /// Reads 32 hex digits; none for anything else, and for all zeroes, which W3C calls invalid.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let bits = is_hex.then(|| u128::from_str_radix(text, 16).ok())??;
        (bits != 0).then_some(Self(bits))
    }

    /// The 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
