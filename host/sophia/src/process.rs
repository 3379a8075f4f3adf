//! What is set once for the whole process, before its first thread.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Turns off backtraces of errors, raises the descriptor limit, installs the crypto provider.
pub(crate) fn prepare() {
    silence_error_backtraces();
    raise_descriptor_limit();
    // Fails only where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Most descriptors that this process may hold.
pub(crate) fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// With `RUST_BACKTRACE=1` every error value on a call's way captures a backtrace, which costs
/// more than the call. Panics keep theirs.
#[expect(unsafe_code, reason = "setting the environment is the only way to tell std")]
fn silence_error_backtraces() {
    // SAFETY: runs first in `main`, while the process has one thread, so that nothing reads the
    // environment at the same time.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") }
}

/// Each loaded version and each connection holds a descriptor; the usual soft limit of 1,024 is
/// a courtesy to `select`, which nothing here uses.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused only in odd sandboxes; the node then lives within what it has.
    let _ = setrlimit(Resource::Nofile, limit);
}
