//! What is set once for the whole process, before its first thread.

/// Makes every computation run in the thread that asks for it.
///
/// candle splits each matrix product over a pool of its own. On a machine that does anything else
/// besides, that pool waits for its slowest thread at every product: measured, two such threads
/// beside another load fall from 90 tokens/s to 6. Parallelism is between requests instead
/// (`--threads`), where nobody waits.
#[expect(unsafe_code, reason = "candle takes its number of threads from the environment only")]
pub(crate) fn prepare() {
    for variable in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        // SAFETY: runs first in `main`, while the process has one thread, so that nothing reads
        // the environment at the same time.
        unsafe { std::env::set_var(variable, "1") }
    }
}
