use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sophia_domain::{Digest, PluginName, TenantId};

use crate::Version;

/// Most versions that wait: far more than anybody uploads within the minutes that compiling takes,
/// and half a megabyte. The oldest gives way, and keeps its quick code until it is loaded again.
const MAX_WAITING: usize = 4096;

/// Versions whose code is to be optimised. One per registry. Its lock is held for a push or a pop.
#[derive(Default)]
pub(crate) struct Backlog(Mutex<Waiting>);

/// Which version of whose plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VersionKey {
    pub(super) tenant: TenantId,
    pub(super) name: PluginName,
    pub(super) digest: Digest,
}

#[derive(Default)]
struct Waiting {
    /// The newest at the back.
    versions: VecDeque<VersionKey>,
    /// Whether a task takes from it, so that there is never a second one.
    is_worked_off: bool,
}

impl VersionKey {
    pub(super) fn of(version: &Version) -> Self {
        Self { tenant: version.tenant.clone(), name: version.name.clone(), digest: version.digest }
    }
}

impl Backlog {
    /// Puts a version on top, once. Answers whether a task is needed to work it off.
    #[must_use]
    pub(super) fn push(&self, key: VersionKey) -> bool {
        let mut waiting = self.lock();
        waiting.versions.retain(|other| *other != key);
        if waiting.versions.len() == MAX_WAITING {
            waiting.versions.pop_front();
        }
        waiting.versions.push_back(key);
        !std::mem::replace(&mut waiting.is_worked_off, true)
    }

    /// The newest version. Where there is none the task that asked must end.
    pub(super) fn next(&self) -> Option<VersionKey> {
        let mut waiting = self.lock();
        let next = waiting.versions.pop_back();
        waiting.is_worked_off = next.is_some();
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> VersionKey {
        let digest = Digest::of(&n.to_le_bytes());
        VersionKey { tenant: TenantId::main(), name: "x".parse().unwrap(), digest }
    }

    #[test]
    fn gives_out_the_newest_first_and_each_once() {
        let backlog = Backlog::default();
        for n in [1, 2, 1, 3] {
            let _ = backlog.push(key(n));
        }
        let given: Vec<_> = std::iter::from_fn(|| backlog.next()).collect();
        assert_eq!(given, [key(3), key(1), key(2)]);
    }

    #[test]
    fn wants_one_task_while_anything_waits() {
        let backlog = Backlog::default();
        assert!(backlog.push(key(1)));
        assert!(!backlog.push(key(2)));
        assert!(backlog.next().is_some() && backlog.next().is_some());
        assert!(!backlog.push(key(3)), "the task that took the last has not ended");
        assert!(backlog.next().is_some() && backlog.next().is_none());
        assert!(backlog.push(key(4)));
    }

    #[test]
    fn lets_the_oldest_go_where_too_many_wait() {
        let backlog = Backlog::default();
        for n in 0..=MAX_WAITING {
            let _ = backlog.push(key(n));
        }
        let given: Vec<_> = std::iter::from_fn(|| backlog.next()).collect();
        assert_eq!((given.len(), given.last()), (MAX_WAITING, Some(&key(1))));
    }
}
