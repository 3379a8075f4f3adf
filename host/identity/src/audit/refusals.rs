//! Refusals that wait to be written, equal ones as one with their number.
//!
//! A refusal need not be durable before its answer, and whoever is refused can ask as fast as they
//! like: so equal ones within a moment are one entry. The first so many different ones of a moment
//! stand by themselves; of the rest, what differs only in what was asked for or, where nobody was
//! recognised, in where it came from is one entry. Nothing is left out of the counts, the entries of
//! a moment are bounded by routes and keys, and nobody waits, which a full disk could make endless.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use sophia_domain::{KeyId, RequestId, TenantId};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{Class, Entry, Outcome};

/// Somebody was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whose key was sent, where one was recognised.
    pub caller: Option<(TenantId, KeyId)>,
    /// Where it came from.
    pub peer: IpAddr,
    /// The method and the route.
    pub action: String,
    /// What it was about.
    pub resource: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The kind of the problem.
    pub reason: String,
    /// The request.
    pub request_id: RequestId,
}

/// What makes refusals equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Same {
    caller: Option<(TenantId, KeyId)>,
    /// Where nobody was recognised.
    peer: Option<IpAddr>,
    action: String,
    /// None where it stands for several.
    resource: Option<String>,
    status: u16,
    reason: String,
}

/// Equal refusals.
#[derive(Debug)]
struct Tallied {
    count: u64,
    first: Timestamp,
    request_id: RequestId,
    /// Of the first; none where it stands for several.
    peer: Option<IpAddr>,
}

/// Refusals that wait to be written. One per node.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    waiting: Mutex<Waiting>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    tallies: HashMap<Same, Tallied>,
    since: Option<Instant>,
}

/// Different refusals that stand by themselves, of one moment. A flood of as many for a day is 3 GB;
/// a program that goes through all secrets without the permission shows what it asked for.
pub(crate) const MAX_DISTINCT: usize = 64;

/// How long a moment is.
const MOMENT: Duration = Duration::from_millis(500);

impl Refusals {
    /// Adds one. Never waits.
    pub(crate) fn add(&self, refusal: Refusal) {
        let mut waiting = self.waiting();
        let mut same = Same::of(&refusal);
        let is_several = waiting.tallies.len() >= MAX_DISTINCT && !waiting.tallies.contains_key(&same);
        if is_several {
            same = Same { peer: None, resource: None, ..same };
        }
        let tallied = waiting.tallies.entry(same).or_insert_with(|| Tallied {
            count: 0,
            first: Timestamp::now(),
            request_id: refusal.request_id,
            peer: (!is_several).then_some(refusal.peer),
        });
        tallied.count = tallied.count.saturating_add(1);
        if waiting.since.is_none() {
            waiting.since = Some(Instant::now());
            drop(waiting);
            self.came.notify_one();
        }
    }

    /// Resolves when some have waited long enough. Cancel-safe.
    pub(crate) async fn are_ripe(&self) {
        loop {
            let since = self.waiting().since;
            match since {
                Some(since) => return sleep_until(since + MOMENT).await,
                None => self.came.notified().await,
            }
        }
    }

    /// Takes what has waited long enough, if something has.
    pub(crate) fn take_ripe(&self) -> Vec<Entry> {
        let is_ripe = self.waiting().since.is_some_and(|since| since.elapsed() >= MOMENT);
        if is_ripe { self.take() } else { Vec::new() }
    }

    /// Takes all that wait.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let Waiting { tallies, .. } = std::mem::take(&mut *self.waiting());
        let mut entries: Vec<Entry> = tallies.into_iter().map(|(same, tallied)| entry(same, &tallied)).collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Same {
    fn of(refusal: &Refusal) -> Self {
        let Refusal { caller, peer, action, resource, status, reason, .. } = refusal;
        Self {
            caller: caller.clone(),
            peer: caller.is_none().then_some(*peer),
            action: action.clone(),
            resource: Some(resource.clone()),
            status: *status,
            reason: reason.clone(),
        }
    }
}

fn entry(same: Same, tallied: &Tallied) -> Entry {
    let (tenant, actor) = same.caller.unzip();
    Entry {
        class: Class::Refusal,
        at: tallied.first,
        tenant,
        actor,
        action: same.action,
        resource: same.resource,
        outcome: Outcome::Refused,
        status: Some(same.status),
        count: tallied.count,
        request_id: Some(tallied.request_id),
        peer: tallied.peer,
        detail: Some(same.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(key: Option<&str>, peer: u8, name: &str) -> Refusal {
        Refusal {
            caller: key.map(|key| (TenantId::main(), key.into())),
            peer: IpAddr::from([10, 0, 0, peer]),
            action: "PUT /v1/secrets/{name}".into(),
            resource: format!("/v1/secrets/{name}"),
            status: 403,
            reason: "permission-missing".into(),
            request_id: RequestId::from_bits(u128::from(peer)),
        }
    }

    fn counts(entries: &[Entry]) -> Vec<u64> {
        let mut counts: Vec<u64> = entries.iter().map(|entry| entry.count).collect();
        counts.sort_unstable();
        counts
    }

    #[tokio::test]
    async fn equal_ones_are_one_with_their_number() {
        let refusals = Refusals::default();
        for peer in [1, 1, 2] {
            refusals.add(refusal(None, peer, "a"));
            refusals.add(refusal(Some("ci"), peer, "a"));
        }
        refusals.add(refusal(Some("ci"), 1, "b"));
        let entries = refusals.take();
        assert_eq!(counts(&entries), [1, 1, 2, 3], "strangers by address, keys by name, and by what they asked for");
        let of_key = entries.iter().find(|entry| entry.count == 3).unwrap();
        assert_eq!((of_key.actor.as_ref().unwrap().as_str(), of_key.peer), ("ci", Some(IpAddr::from([10, 0, 0, 1]))));
        assert_eq!(refusals.take(), []);
    }

    #[tokio::test]
    async fn a_flood_is_few_entries_and_every_refusal_is_counted() {
        let refusals = Refusals::default();
        for n in 0..5_000_u32 {
            let [.., high, low] = n.to_be_bytes();
            let stranger = Refusal { peer: IpAddr::from([10, 0, high, low]), ..refusal(None, 0, "a") };
            refusals.add(stranger);
            refusals.add(refusal(Some("ci"), 1, &n.to_string()));
        }
        let entries = refusals.take();
        assert_eq!(entries.len(), MAX_DISTINCT + 2);
        assert_eq!(entries.iter().map(|entry| entry.count).sum::<u64>(), 10_000);
        let several: Vec<_> = entries.iter().filter(|entry| entry.resource.is_none()).collect();
        assert_eq!(several.len(), 2);
        assert!(several.iter().all(|entry| entry.peer.is_none() && entry.count > 4_900), "{several:?}");
    }

    #[tokio::test]
    async fn are_taken_after_a_moment_and_not_before() {
        let refusals = Refusals::default();
        let began = Instant::now();
        refusals.add(refusal(None, 1, "a"));
        assert_eq!(refusals.take_ripe(), []);
        refusals.are_ripe().await;
        assert!(began.elapsed() >= MOMENT);
        assert_eq!(counts(&refusals.take_ripe()), [1]);
        let none_came = tokio::time::timeout(Duration::from_millis(1), refusals.are_ripe()).await;
        assert!(none_came.is_err());
    }
}
