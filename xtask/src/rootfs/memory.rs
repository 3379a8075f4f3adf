use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::command::Run as _;

/// How the machine's memory is held to a number of bytes, best first. The cgroup is removed when
/// this is dropped, so drop it after the process.
pub(super) struct Limit {
    bytes: u64,
    by: By,
}

enum By {
    /// A cgroup of our own, beneath the one this process is in: with its file of the peak.
    Cgroup { folder: PathBuf, peak: &'static str },
    /// systemd makes the cgroup.
    Systemd,
    /// Nothing here may do it; the text says why.
    Nothing(String),
}

impl Limit {
    /// Takes the best way that works here.
    pub(super) fn of(bytes: u64) -> Self {
        let by = v2(bytes).or_else(|_| v1(bytes)).or_else(|why| if has_systemd() { Ok(By::Systemd) } else { Err(why) });
        Self { bytes, by: by.unwrap_or_else(|why| By::Nothing(format!("{why:#}"))) }
    }

    /// A command that starts `program` within the limit, where that is not done by joining a cgroup.
    pub(super) fn wrapped(&self, program: &str) -> Command {
        if !matches!(self.by, By::Systemd) {
            return Command::new(program);
        }
        let mut command = Command::new("systemd-run");
        command.args(["--quiet", "--scope", "--property"]).arg(format!("MemoryMax={}", self.bytes));
        command.args(["--property", "MemorySwapMax=0", "--", program]);
        command
    }

    /// The cgroup for the process to join.
    pub(super) fn cgroup(&self) -> Option<&Path> {
        match &self.by {
            By::Cgroup { folder, .. } => Some(folder),
            By::Systemd | By::Nothing(_) => None,
        }
    }

    /// The most that was used, in bytes.
    pub(super) fn peak(&self) -> Option<u64> {
        let By::Cgroup { folder, peak } = &self.by else { return None };
        fs::read_to_string(folder.join(peak)).ok()?.trim().parse().ok()
    }
}

fn v2(bytes: u64) -> Result<By> {
    let folder = own("0::", Path::new("/sys/fs/cgroup"))?;
    make(folder, &[("memory.max", bytes), ("memory.swap.max", 0)], "memory.peak")
}

fn v1(bytes: u64) -> Result<By> {
    let folder = own(":memory:", Path::new("/sys/fs/cgroup/memory"))?;
    make(folder, &[("memory.limit_in_bytes", bytes)], "memory.max_usage_in_bytes")
}

/// A place beneath the cgroup of this process: a limit within its limits, never beside them.
fn own(marker: &str, mount: &Path) -> Result<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| Some(line.split_once(marker)?.1)).context("no memory cgroup here")?;
    Ok(mount.join(path.trim_start_matches('/')).join(format!("sophia-rootfs-{}", std::process::id())))
}

/// Makes the cgroup with these settings, or leaves nothing behind.
fn make(folder: PathBuf, settings: &[(&str, u64)], peak: &'static str) -> Result<By> {
    fs::create_dir(&folder).with_context(|| format!("cannot make the cgroup {}", folder.display()))?;
    let set = settings.iter().try_for_each(|(name, value)| -> Result<()> {
        ensure!(folder.join(name).exists(), "the kernel gives this cgroup no {name}");
        Ok(fs::write(folder.join(name), value.to_string())?)
    });
    if let Err(error) = set {
        let _ = fs::remove_dir(&folder);
        return Err(error);
    }
    Ok(By::Cgroup { folder, peak })
}

/// systemd runs here, and lets this user have a scope.
fn has_systemd() -> bool {
    Command::new("systemd-run").args(["--quiet", "--scope", "--", "true"]).read().is_ok()
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.bytes >> 20;
        match &self.by {
            By::Cgroup { .. } => write!(f, "memory: {mib} MiB, held by a cgroup"),
            By::Systemd => write!(f, "memory: {mib} MiB, held by systemd"),
            By::Nothing(why) => write!(f, "memory: NOT ENFORCED, fly.toml's {mib} MiB are not held here ({why})"),
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let By::Cgroup { folder, .. } = &self.by {
            let _ = fs::remove_dir(folder);
        }
    }
}
