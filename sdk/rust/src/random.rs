//! Randomness from the host: cryptographically secure, and recorded in a run.
//!
//! Crates that use `getrandom` (0.2, 0.3 and 0.4, so `rand`, `uuid`, `ahash` and most others) get
//! theirs from here. For 0.3 and 0.4 the build says `--cfg getrandom_backend="custom"`, which
//! `sophia plugin build` does; 0.2 takes its `custom` feature, which this crate turns on.

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
        chunk.copy_from_slice(&random::bytes(chunk.len() as u32));
    }
}

#[cfg(target_family = "wasm")]
mod getrandom {
    //! The names under which each line of getrandom looks for its backend.
    #![expect(unsafe_code, reason = "symbols that getrandom links to")]

    use super::fill;

    getrandom_02::register_custom_getrandom!(fill_02);

    fn fill_02(buffer: &mut [u8]) -> Result<(), getrandom_02::Error> {
        fill(buffer);
        Ok(())
    }

    /// For 0.3 and 0.4, which agree on the name and on the error's shape, as getrandom documents:
    /// <https://docs.rs/getrandom/0.4/getrandom/#custom-backend>.
    ///
    /// # Safety
    /// `buffer` must be valid for writes of `len` bytes, which is getrandom's promise.
    #[cfg(getrandom_backend = "custom")]
    #[unsafe(no_mangle)]
    unsafe extern "Rust" fn __getrandom_v03_custom(buffer: *mut u8, len: usize) -> Result<(), getrandom_04::Error> {
        // SAFETY: valid for writes as above. Zeroed first, since it may be uninitialised.
        let buffer = unsafe {
            buffer.write_bytes(0, len);
            std::slice::from_raw_parts_mut(buffer, len)
        };
        fill(buffer);
        Ok(())
    }
}
