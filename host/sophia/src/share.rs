//! The node among others: says that it lives, follows what they change, and takes over what the
//! dead left. A node whose rows are its own only says that it lives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sophia_domain::{Chain, Problem, ProblemDocument, Step};
use sophia_store::{
    follow::Follower,
    generations::Topic,
    nodes::{BEAT_EVERY, Beat},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{metrics::Route, node::Node};

/// How long a node goes on with what it knows while it cannot ask the database: a key that was
/// revoked, or a plugin that was taken back, is honoured for so long at most. Then it refuses.
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(60);

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How old what this node knows is.
#[derive(Debug)]
pub(crate) struct Freshness {
    began: Instant,
    /// Milliseconds after `began` when everything was last known to be as the database says.
    known_at: AtomicU64,
    is_alone: bool,
}

impl Freshness {
    /// Fresh now, and for ever where nobody else writes.
    pub(crate) fn new(is_alone: bool) -> Self {
        Self { began: Instant::now(), known_at: AtomicU64::new(0), is_alone }
    }

    /// Whether what is known is too old to decide by.
    pub(crate) fn is_stale(&self) -> bool {
        !self.is_alone && self.age() > MAX_STALENESS
    }

    /// How long ago everything was known; nothing where nobody else writes.
    pub(crate) fn age(&self) -> Duration {
        if self.is_alone {
            return Duration::ZERO;
        }
        self.began.elapsed().saturating_sub(Duration::from_millis(self.known_at.load(Relaxed)))
    }

    fn renew(&self, at: Instant) {
        let millis = at.saturating_duration_since(self.began).as_millis();
        self.known_at.fetch_max(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Refuses whoever asks for more than how the node is, while it knows too little to decide.
pub(crate) fn check(node: &Node, route: &Route) -> Result<(), ProblemDocument> {
    if !node.freshness.is_stale() || route.is_open() {
        return Ok(());
    }
    Err(cut_off())
}

/// Why a node that knows too little refuses.
pub(crate) fn cut_off() -> ProblemDocument {
    let detail =
        "this node has not reached its database for a while, and may not know who may do what: try another one";
    let problem = Problem::host(503, "cut-off", "The node is cut off", detail);
    problem.retry_after(BEAT_EVERY.as_secs()).at(Step::Identify)
}

/// Lives among other nodes until it is told to stop; comes back at once where there are none.
pub(crate) async fn live(node: Arc<Node>, stop: CancellationToken) {
    if !node.store.is_shared() {
        return;
    }
    let both = async { tokio::join!(beat(&node), follow(&node)) };
    stop.run_until_cancelled(both).await;
}

/// Says every few seconds that the node lives. It goes on while the node drains: until the last
/// run has ended it must not be taken for dead.
async fn beat(node: &Node) {
    let mut ticks = tokio::time::interval(BEAT_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(PATIENCE, node.store.beat()).await {
            Ok(Ok(beat)) => answer(node, beat).await,
            Err(_) => tracing::warn!("the database does not answer that it knows that this node lives"),
            Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "the database does not hear that this node lives"),
        }
    }
}

async fn answer(node: &Node, beat: Beat) {
    if !beat.is_alive {
        tracing::error!("this node was silent for so long that others took it for dead: it begins anew");
        node.runs.abandon();
        if let Err(error) = node.store.rejoin().await {
            tracing::error!(error = %Chain(&error), "it cannot begin anew yet");
            return;
        }
    }
    for dead in &beat.ended {
        tracing::warn!(node = %dead, "a node was silent for too long and counts as dead");
    }
    if !beat.ended.is_empty()
        && let Err(error) = node.runs.adopt().await
    {
        tracing::error!(error = %Chain(&error), "the runs of a dead node cannot be closed yet");
    }
}

/// Follows what other nodes change.
async fn follow(node: &Node) {
    let Some(mut follower) = node.store.follow() else { return };
    loop {
        look(node, &mut follower).await;
    }
}

/// Waits for changes and takes them over.
async fn look(node: &Node, follower: &mut Follower) {
    // What is read is at least as new as this.
    let asked = Instant::now();
    let topics = match timeout(PATIENCE, follower.next()).await {
        Ok(Ok(topics)) => topics,
        Err(_) => {
            tracing::warn!(stale_for = ?node.freshness.age(), "the database does not answer what changed");
            return;
        }
        Ok(Err(error)) => {
            tracing::warn!(error = %Chain(&error), stale_for = ?node.freshness.age(), "the database does not say what changed");
            return;
        }
    };
    let mut is_whole = true;
    for topic in topics {
        match take_over(node, topic).await {
            Ok(true) => {}
            Ok(false) => {
                is_whole = false;
                follower.again(topic);
            }
            Err(error) => {
                tracing::error!(topic = topic.as_str(), error = %Chain(error.as_ref()), "what another node changed cannot be read yet");
                is_whole = false;
                follower.again(topic);
            }
        }
    }
    if is_whole {
        node.freshness.renew(asked);
    }
}

/// Reads a topic again; whether all of it was taken over.
async fn take_over(node: &Node, topic: Topic) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    match topic {
        Topic::Plugins => return Ok(node.registry.refresh().await?),
        Topic::Keys => node.identity.refresh().await?,
        Topic::Secrets => node.vault.refresh().await?,
        Topic::Cancels => node.runs.heed_cancels().await?,
        Topic::Limits => node.ledger.quotas().reload().await?,
        // A budget is one node's: see the ledger.
        Topic::Budgets => {}
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_grows_old_where_others_write() {
        let now = Instant::now();
        let long_ago = now.checked_sub(2 * MAX_STALENESS).unwrap();
        let knowing = |is_alone, began| Freshness { began, known_at: AtomicU64::new(0), is_alone };
        assert!(!knowing(true, long_ago).is_stale());
        assert!(!knowing(false, now).is_stale());
        let freshness = knowing(false, long_ago);
        assert!(freshness.is_stale());
        freshness.renew(now);
        assert!(!freshness.is_stale());
        freshness.renew(long_ago);
        assert!(!freshness.is_stale(), "an older look takes nothing back");
    }
}
