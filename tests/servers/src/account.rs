//! Who a server runs as: Postgres refuses root.

use std::{os::unix::fs::chown, path::Path, process::Command};

/// The account that Debian's package makes.
const NAME: &str = "postgres";

/// Another account than root, if the test runs as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// None where the test's own account will do.
    pub(crate) fn needed() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let accounts = std::fs::read_to_string("/etc/passwd").expect("the accounts of this machine");
        let account = accounts.lines().find_map(|line| match *line.split(':').collect::<Vec<_>>() {
            [NAME, _, uid, gid, ..] => Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? }),
            _ => None,
        });
        Some(account.expect("the account `postgres`, which comes with Debian's package `postgresql`"))
    }

    /// Gives it a directory.
    pub(crate) fn own(self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).expect("a directory changes its owner");
    }

    /// Runs a command as it.
    pub(crate) fn run(self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        command.uid(self.uid).gid(self.gid);
    }
}
