use std::env;

/// Whether this is `cargo xtask soak`, which runs the same tests with large counts.
pub fn is_soak() -> bool {
    env::var_os("SOPHIA_SOAK").is_some()
}

/// How often a test repeats what it does.
pub fn count(in_test: usize, in_soak: usize) -> usize {
    if is_soak() { in_soak } else { in_test }
}
