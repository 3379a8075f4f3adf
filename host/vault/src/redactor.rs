//! Removing a secret from what a server sends back.
//!
//! A server may reflect what it was sent: in a header, an echo endpoint, an error page, a signed
//! link. What is removed is the secret as it is, in base64 at any offset and in both alphabets,
//! percent-encoded, and as JSON or HTML would escape it. Each byte of it becomes `*`: the length
//! stays, so `content-length` and the text around stay true.
//!
//! Not removed: what a server does to a secret beyond that (encryption, compression, reversal).
//! A server that means harm has the secret already. Where base64 of a longer text is cut out, up
//! to 4 bits of the secret's first and last byte may stand in the neighbouring digits.

mod forms;
mod stream;

use std::{borrow::Cow, fmt, ops::Range};

use memchr::memmem;
use zeroize::Zeroizing;

pub use stream::RedactStream;

/// Knows the forms of the secrets that one exchange used. One per exchange; the empty one costs
/// nothing and changes nothing.
#[derive(Default, Clone)]
pub struct Redactor {
    needles: Vec<Zeroizing<Vec<u8>>>,
}

const MASK: u8 = b'*';

/// The redactor of one secret, and of the user and password it may be part of.
pub(crate) fn for_secret(secret: &[u8], pair: Option<&[u8]>) -> Redactor {
    let mut needles = forms::of(secret);
    needles.extend(pair.into_iter().flat_map(forms::whole_base64));
    Redactor { needles: unique(needles) }
}

impl Redactor {
    /// Whether there is nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Removes another exchange's secrets too, for an answer at the end of a redirect.
    pub fn merge(&mut self, other: Self) {
        self.needles.extend(other.needles);
        self.needles = unique(std::mem::take(&mut self.needles));
    }

    /// The bytes without the secrets. Borrows where there are none.
    pub fn redact<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let found = self.find(bytes);
        if found.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut bytes = bytes.to_vec();
        mask(&mut bytes, &found);
        Cow::Owned(bytes)
    }

    /// Whether a secret is in there, whatever the case of its letters: header names arrive in lower case.
    pub fn is_in_ignoring_case(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.needles.iter().any(|needle| {
            let needle = Zeroizing::new(needle.to_ascii_lowercase());
            memmem::find(text.as_bytes(), &needle).is_some()
        })
    }

    /// For bytes that come in pieces.
    pub fn stream(self) -> RedactStream {
        RedactStream::new(self)
    }

    fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for needle in &self.needles {
            found.extend(memmem::find_iter(bytes, needle.as_slice()).map(|at| at..at + needle.len()));
        }
        found
    }

    /// Where the longest end of `bytes` begins that could be the beginning of a secret.
    fn unfinished(&self, bytes: &[u8]) -> usize {
        let starts = self.needles.iter().map(|needle| {
            let longest = bytes.len().min(needle.len().saturating_sub(1));
            let start = (bytes.len() - longest..bytes.len())
                .find(|&at| bytes.get(at..).is_some_and(|end| needle.starts_with(end)));
            start.unwrap_or(bytes.len())
        });
        starts.min().unwrap_or(bytes.len())
    }
}

/// Most forms of an ordinary token are the same.
fn unique(mut needles: Vec<Zeroizing<Vec<u8>>>) -> Vec<Zeroizing<Vec<u8>>> {
    needles.sort_by(|a, b| a.as_slice().cmp(b.as_slice()));
    needles.dedup();
    needles
}

fn mask(bytes: &mut [u8], found: &[Range<usize>]) {
    for range in found {
        if let Some(bytes) = bytes.get_mut(range.clone()) {
            bytes.fill(MASK);
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

#[cfg(test)]
mod tests;
