//! How large the machine is that this process may use: what the cgroup allows, else what is there.

use std::{fs, num::NonZero, thread};

use sophia_domain::ByteSize;

/// What is assumed where neither the cgroup nor the kernel says: the smallest Fly machine.
const UNKNOWN_MEMORY: ByteSize = ByteSize::mib(256);

/// Cores, the CPU quota of the cgroup and the affinity mask counted.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Bytes of memory that this process may use.
pub(crate) fn memory() -> ByteSize {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of_meminfo(&text));
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| limit_of_cgroup(&text));
    match (total, limit) {
        (Some(total), Some(limit)) => ByteSize(total.min(limit)),
        (Some(bytes), None) | (None, Some(bytes)) => ByteSize(bytes),
        (None, None) => UNKNOWN_MEMORY,
    }
}

/// `MemTotal:  16384 kB`, which are kibibytes.
fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// A number of bytes, or `max`.
fn limit_of_cgroup(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(total_of_meminfo("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(total_of_meminfo("nothing"), None);
        assert_eq!(limit_of_cgroup("268435456\n"), Some(268_435_456));
        assert_eq!(limit_of_cgroup("max\n"), None);
    }
}
