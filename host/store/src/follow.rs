//! Finds what other nodes changed.

use std::{collections::HashMap, time::Duration};

use crate::{Store, StoreError, generations::Topic, notices::Wire};

/// How often a node looks for changes that nobody told it of. What another node changed holds here
/// within this time and the time to read it; within milliseconds where Redis is there.
pub const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Follows the changes. One per node.
pub struct Follower {
    store: Store,
    wire: Wire,
    seen: HashMap<Topic, u64>,
}

impl Store {
    /// What follows the changes of other nodes, from when the store was opened: what was read since
    /// may be older than a change. None where the rows are this node's alone, and for everybody but
    /// the first who asks.
    pub fn follow(&self) -> Option<Follower> {
        let wire = if self.is_shared() { self.notices().wire(self.redis()) } else { None };
        wire.map(|wire| Follower { store: self.clone(), wire, seen: self.topics_at_opening().clone() })
    }
}

impl Follower {
    /// Waits for a notice or for the next look, and gives the topics that changed. They count as
    /// seen: who cannot read one of them says so by [`Self::again`].
    pub async fn next(&mut self) -> Result<Vec<Topic>, StoreError> {
        self.wire.wait(LOOK_EVERY).await;
        let topics = self.store.topics().await?;
        Ok(topics
            .into_iter()
            .filter(|(topic, n)| self.seen.insert(*topic, *n) != Some(*n))
            .map(|(topic, _)| topic)
            .collect())
    }

    /// A topic is to be given again.
    pub fn again(&mut self, topic: Topic) {
        self.seen.remove(&topic);
    }

    /// All topics are to be given again.
    pub fn all_again(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sophia_domain::TenantId;
    use sophia_servers::{Postgres, Redis};

    use super::*;
    use crate::{DatabaseUrl, Places, RedisUrl};

    struct Pair {
        _dirs: [tempfile::TempDir; 2],
        stores: [Store; 2],
    }

    async fn pair(postgres: &Postgres, redis: Option<&Redis>) -> Pair {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let open = async |dir: &tempfile::TempDir| {
            let places = Places {
                database: DatabaseUrl::parse(&postgres.url()),
                redis: redis.map(|redis| RedisUrl::parse(&redis.url()).unwrap()),
                ..Places::in_directory(dir.path())
            };
            Store::open_at(&places).await.unwrap()
        };
        let stores = [open(&dirs[0]).await, open(&dirs[1]).await];
        Pair { _dirs: dirs, stores }
    }

    async fn change(store: &Store, name: &str) {
        let version = crate::versions::tests::version(name.as_bytes());
        store.add_version(&TenantId::main(), &name.parse().unwrap(), &version, crate::Activate::Now).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_of_one_node_is_found_by_another_and_once() {
        let postgres = Postgres::start();
        let Pair { stores: [one, other], _dirs } = pair(&postgres, None).await;
        change(&one, "early").await;
        let mut follower = other.follow().unwrap();
        assert!(other.follow().is_none(), "one follows");
        assert_eq!(follower.next().await.unwrap(), [Topic::Plugins]);
        change(&one, "after").await;
        assert_eq!(follower.next().await.unwrap(), [Topic::Plugins]);
        assert_eq!(follower.next().await.unwrap(), []);
        follower.again(Topic::Plugins);
        assert_eq!(follower.next().await.unwrap(), [Topic::Plugins]);
    }

    #[tokio::test]
    async fn redis_tells_at_once_and_its_loss_costs_only_time() {
        let (postgres, mut redis) = (Postgres::start(), Redis::start());
        let Pair { stores: [one, other], _dirs } = pair(&postgres, Some(&redis)).await;
        let (mut from, mut to) = (one.follow().unwrap(), other.follow().unwrap());
        // Both are connected after their first look.
        assert_eq!((from.next().await.unwrap(), to.next().await.unwrap()), (vec![], vec![]));
        let sending = tokio::spawn(async move {
            loop {
                from.next().await.unwrap();
            }
        });
        // The other looks only when told, or it would wait for an hour.
        change(&one, "told").await;
        let began = Instant::now();
        to.wire.wait(Duration::from_secs(3_600)).await;
        assert!(began.elapsed() < Duration::from_secs(60));
        assert_eq!(other.topics().await.unwrap(), [(Topic::Plugins, 1)]);

        redis.kill();
        assert_eq!(to.next().await.unwrap(), [Topic::Plugins]);
        change(&one, "untold").await;
        while to.next().await.unwrap().is_empty() {}
        redis.restart();
        sending.abort();
    }
}
