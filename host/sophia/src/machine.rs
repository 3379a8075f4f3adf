//! How large the machine is that this process may use: what the cgroups allow, else what is there.

use std::{fs, num::NonZero, path::Path, thread};

use sophia_domain::ByteSize;

/// What is assumed where neither a cgroup nor the kernel says: the smallest Fly machine.
const UNKNOWN_MEMORY: ByteSize = ByteSize::mib(256);
/// From here on a limit of cgroup v1 is none: it writes the largest number of whole pages.
const UNLIMITED: u64 = 1 << 62;
/// Of a process that does not say where it is: the root of either version.
const AT_THE_ROOT: &str = "0::/\n1:memory:/\n";

/// Cores. The standard library counts the affinity mask and the CPU quota of both versions of
/// cgroups, at every level.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Bytes of memory that this process may use.
pub(crate) fn memory() -> ByteSize {
    memory_below(Path::new("/"))
}

fn memory_below(root: &Path) -> ByteSize {
    let total = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| total_of_meminfo(&text));
    let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_else(|_| AT_THE_ROOT.to_owned());
    let limits = cgroups.lines().filter_map(Group::of).flat_map(|group| group.limits(root));
    total.into_iter().chain(limits).min().map_or(UNKNOWN_MEMORY, ByteSize)
}

/// `MemTotal:  16384 kB`, which are kibibytes.
fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// A cgroup that this process is in, and where its kind keeps the limit of memory.
struct Group<'a> {
    hierarchy: &'static str,
    file: &'static str,
    path: &'a Path,
}

impl<'a> Group<'a> {
    /// A line of `/proc/self/cgroup`: `0::/path` in version 2, `7:memory:/path` in version 1.
    fn of(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, Path::new(fields.next()?));
        match controllers {
            "" => Some(Self { hierarchy: "sys/fs/cgroup", file: "memory.max", path }),
            some if some.split(',').any(|controller| controller == "memory") => {
                Some(Self { hierarchy: "sys/fs/cgroup/memory", file: "memory.limit_in_bytes", path })
            }
            _ => None,
        }
    }

    /// Its limits and those above it. In a container the path may be one of the machine outside,
    /// where only the root is there.
    fn limits(self, root: &Path) -> impl Iterator<Item = u64> + 'a {
        let hierarchy = root.join(self.hierarchy);
        self.path.ancestors().filter_map(move |group| {
            let group = group.strip_prefix("/").unwrap_or(group);
            fs::read_to_string(hierarchy.join(group).join(self.file)).ok().and_then(|text| limit_of_cgroup(&text))
        })
    }
}

/// A number of bytes, or `max`.
fn limit_of_cgroup(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       2097152 kB\nMemFree: 1 kB\n");

    fn check(files: &[(&str, &str)], expected: u64) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(memory_below(root.path()).0, expected, "{files:?}");
    }

    #[test]
    fn takes_what_the_kernel_has_where_nothing_limits_it() {
        check(&[], UNKNOWN_MEMORY.0);
        check(&[("proc/meminfo", "nothing")], UNKNOWN_MEMORY.0);
        check(&[MEMINFO], 2048 * MIB);
        check(&[MEMINFO, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], 2048 * MIB);
        let v1 = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        check(&[MEMINFO, ("proc/self/cgroup", "7:memory:/\n"), v1], 2048 * MIB);
        check(&[("proc/self/cgroup", "7:memory:/\n"), v1], UNKNOWN_MEMORY.0);
    }

    #[test]
    fn takes_the_limit_of_the_second_version() {
        check(&[MEMINFO, ("sys/fs/cgroup/memory.max", "268435456\n")], 256 * MIB);
        check(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "268435456\n")], 256 * MIB);
        let service = ("proc/self/cgroup", "0::/system.slice/sophia.service\n");
        check(&[MEMINFO, service, ("sys/fs/cgroup/system.slice/sophia.service/memory.max", "134217728\n")], 128 * MIB);
        let above = ("sys/fs/cgroup/system.slice/memory.max", "67108864\n");
        let own = ("sys/fs/cgroup/system.slice/sophia.service/memory.max", "max\n");
        check(&[MEMINFO, service, above, own], 64 * MIB);
    }

    #[test]
    fn takes_the_limit_of_the_first_version() {
        let inside = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
        check(&[MEMINFO, inside], 256 * MIB);
        // A container sees the path outside of it.
        let outside = "12:cpu,cpuacct:/docker/abc\n7:memory:/docker/abc\n0::/\n";
        check(&[MEMINFO, ("proc/self/cgroup", outside), inside], 256 * MIB);
        let group = ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "134217728\n");
        check(&[MEMINFO, ("proc/self/cgroup", outside), group], 128 * MIB);
        let other = ("sys/fs/cgroup/memory/docker/other/memory.limit_in_bytes", "1048576\n");
        check(&[MEMINFO, ("proc/self/cgroup", outside), other], 2048 * MIB);
    }
}
