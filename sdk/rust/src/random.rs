//! Randomness from the host: cryptographically secure, and recorded in a run.
//!
//! Crates that use `getrandom` (0.2, 0.3 and 0.4, so `rand`, `uuid`, `ahash` and most others) get
//! theirs from here, in a connector or a pattern that is built with `--cfg getrandom_backend="custom"`, as
//! `sophia plugin build` does. Some want a feature too (`uuid`: `rng-getrandom`). A policy is
//! pure: there, getrandom does not link.

use crate::bindings::connector::sophia::plugin::random;

/// The most that the host gives at once.
const MAX_AT_ONCE: usize = 65_536;

/// Fresh random bytes. More than 65,536 at once end the call; [`fill`] has no such bound.
pub fn bytes(count: u32) -> Vec<u8> {
    random::bytes(count)
}

/// Fills a buffer with fresh random bytes.
pub fn fill(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(MAX_AT_ONCE) {
        // Fits: at most 65,536.
        chunk.copy_from_slice(&random::bytes(chunk.len() as u32));
    }
}
