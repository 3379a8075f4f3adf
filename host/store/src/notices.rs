//! Tells other nodes to look at the generations now, by a Redis channel. A notice that is lost
//! costs nothing but time: nodes look every so often without one.

use std::{fmt, sync::Mutex, time::Duration};

use futures::StreamExt;
use redis::{
    Client, IntoConnectionInfo,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::{Instant, sleep_until, timeout},
};

use crate::generations::Topic;

/// Where a Redis server is, with its user and password. Its text is never shown.
#[derive(Clone)]
pub struct RedisUrl(Client);

/// Takes this node's notices.
#[derive(Debug)]
pub(crate) struct Notices {
    queue: Sender<Topic>,
    /// Until somebody follows.
    queued: Mutex<Option<Receiver<Topic>>>,
}

/// Sends this node's notices and waits for the others'.
pub(crate) struct Wire {
    client: Option<Client>,
    queued: Receiver<Topic>,
    open: Option<Open>,
    /// A server that is gone is not asked more often.
    again: Instant,
}

struct Open {
    outward: MultiplexedConnection,
    inward: PubSub,
}

/// What nodes listen to.
const CHANNEL: &str = "sophia:changes";

/// Notices that wait to be sent. One that finds no place is dropped: the others look anyway.
const QUEUE: usize = 64;

/// Between two attempts to reach a server.
const RETRY: Duration = Duration::from_secs(1);

/// For an attempt, and for one notice.
const PATIENCE: Duration = Duration::from_secs(1);

impl RedisUrl {
    /// Reads `redis://…`, `rediss://…` or `redis+unix://…`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        text.into_connection_info().and_then(Client::open).ok().map(Self)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(..)")
    }
}

impl Default for Notices {
    fn default() -> Self {
        let (queue, queued) = mpsc::channel(QUEUE);
        Self { queue, queued: Mutex::new(Some(queued)) }
    }
}

impl Notices {
    /// Tells the others that a topic changed. Never waits.
    pub(crate) fn tell(&self, topic: Topic) {
        let _ = self.queue.try_send(topic);
    }

    /// The other end; none but for the first who asks.
    pub(crate) fn wire(&self, redis: Option<&RedisUrl>) -> Option<Wire> {
        let queued = self.queued.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()?;
        Some(Wire { client: redis.map(|url| url.0.clone()), queued, open: None, again: Instant::now() })
    }
}

impl Wire {
    /// Waits for a notice of another node or of this one, sends this node's, and comes back after
    /// `most` in any case.
    pub(crate) async fn wait(&mut self, most: Duration) {
        let until = Instant::now() + most;
        self.connect().await;
        loop {
            let Some(open) = &mut self.open else {
                // Its own notices go nowhere, and its own changes are known here.
                let topic = tokio::select! {
                    topic = self.queued.recv() => topic,
                    () = sleep_until(until) => None,
                };
                if topic.is_none() {
                    return;
                }
                continue;
            };
            let Open { outward, inward } = open;
            let mut messages = inward.on_message();
            let is_well = tokio::select! {
                message = messages.next() => match message {
                    Some(_) => return,
                    None => false,
                },
                topic = self.queued.recv() => match topic {
                    Some(topic) => publish(outward, topic).await,
                    None => return,
                },
                () = sleep_until(until) => return,
            };
            drop(messages);
            if !is_well {
                tracing::warn!("Redis is gone: other nodes' changes are found by looking");
                self.open = None;
                self.again = Instant::now() + RETRY;
            }
        }
    }

    async fn connect(&mut self) {
        let Some(client) = &self.client else { return };
        if self.open.is_some() || Instant::now() < self.again {
            return;
        }
        self.again = Instant::now() + RETRY;
        match timeout(PATIENCE, open(client)).await {
            Ok(Ok(open)) => {
                tracing::info!("Redis tells of other nodes' changes");
                self.open = Some(open);
            }
            Ok(Err(error)) => tracing::debug!(%error, "Redis cannot be reached"),
            Err(_) => tracing::debug!("Redis does not answer"),
        }
    }
}

async fn open(client: &Client) -> redis::RedisResult<Open> {
    let outward = client.get_multiplexed_async_connection().await?;
    let mut inward = client.get_async_pubsub().await?;
    inward.subscribe(CHANNEL).await?;
    Ok(Open { outward, inward })
}

async fn publish(outward: &mut MultiplexedConnection, topic: Topic) -> bool {
    let mut command = redis::cmd("PUBLISH");
    command.arg(CHANNEL).arg(topic.as_str());
    matches!(timeout(PATIENCE, command.query_async::<()>(outward)).await, Ok(Ok(())))
}
