//! The names under which each line of getrandom looks for its source.
//!
//! The symbols are exported from, and so kept in, whatever crate holds them. They are therefore
//! part of `connector!` and `pattern!` and not of this crate: a policy, which must be pure, does without.
#![expect(unsafe_code, reason = "symbols that getrandom links to")]

pub use getrandom_02;
pub use getrandom_04::Error;

use crate::random::fill;

/// For getrandom 0.2.
pub fn fill_02(buffer: &mut [u8]) -> Result<(), getrandom_02::Error> {
    fill(buffer);
    Ok(())
}

/// For getrandom 0.3 and 0.4.
///
/// # Safety
/// `buffer` must be valid for writes of `len` bytes; it may be uninitialised.
pub unsafe fn fill_raw(buffer: *mut u8, len: usize) -> Result<(), Error> {
    // SAFETY: the caller's promise; initialised before it becomes a slice.
    fill(unsafe {
        buffer.write_bytes(0, len);
        std::slice::from_raw_parts_mut(buffer, len)
    });
    Ok(())
}

/// 0.3 and 0.4 agree on the name and on the error's shape:
/// <https://docs.rs/getrandom/0.4/getrandom/#custom-backend>.
#[macro_export]
macro_rules! __getrandom {
    () => {
        $crate::getrandom::getrandom_02::register_custom_getrandom!($crate::getrandom::fill_02);

        #[unsafe(no_mangle)]
        unsafe extern "Rust" fn __getrandom_v03_custom(
            buffer: *mut u8,
            len: usize,
        ) -> ::core::result::Result<(), $crate::getrandom::Error> {
            // SAFETY: getrandom promises what `fill_raw` asks for.
            unsafe { $crate::getrandom::fill_raw(buffer, len) }
        }
    };
}
