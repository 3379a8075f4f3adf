//! The audit chain: every change and every refusal, each entry linked to the one before by a MAC
//! whose key is not in the database.
//!
//! A change is recorded twice, durably: before it is begun, and before its answer leaves; one that
//! cannot be recorded is refused. A refusal is written within a second of its answer. Entries wait
//! for their turn and none is dropped. One task writes for a node, all that waits in one
//! transaction; another moves what is old into encrypted segments and forgets what is too old.
//! Nobody who reads or writes here is asked who they are: that is decided before.

mod entry;
mod fault;
mod keeper;
mod keys;
mod link;
mod mark;
mod open;
mod page;
mod refusals;
mod segment;
mod verify;
mod walk;
mod witness;
mod writer;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sophia_store::{Store, StoreError};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use refusals::Refusals;
use witness::Witness;
use writer::{Message, Recording, Writer};

pub use entry::{Class, Entry, Outcome};
pub use fault::{Fault, What};
pub use keys::AuditKeys;
pub use link::ForeignHead;
pub use mark::{Mark, NoMark};
pub use page::{AuditFilter, Cursor, Page, Shown};
pub use refusals::Refusal;
pub use verify::{ChainReport, Report};

/// Records, and reads what is recorded. Opened once at boot; cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    keys: Arc<AuditKeys>,
    /// Where the witness is.
    data_dir: Box<Path>,
    queue: mpsc::Sender<Message>,
    refusals: Arc<Refusals>,
    closing: watch::Sender<bool>,
    /// Until they are drained.
    tasks: Mutex<Option<[JoinHandle<()>; 2]>>,
}

/// What of the chains is kept, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditConfig {
    /// Entries of a chain that stay rows, and of a segment.
    pub segment_entries: u32,
    /// Age above which entries are moved into a segment.
    pub segment_age: Duration,
    /// How long changes are kept.
    pub changes: Duration,
    /// How long refusals are kept.
    pub refusals: Duration,
}

/// Why something is not recorded, or not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The store failed.
    #[error("the audit chain cannot be written or read")]
    Store(#[source] Arc<StoreError>),
    /// A chain's end is not ours.
    #[error(transparent)]
    Foreign(#[from] ForeignHead),
    /// The witness cannot be opened.
    #[error("the witness of the audit chain cannot be opened")]
    Witness(#[source] Arc<std::io::Error>),
    /// A sealed part is not what was sealed.
    #[error("the sealed part of the audit chain `{chain}` that begins with {first_seq} is missing or damaged")]
    Segment {
        /// The chain.
        chain: String,
        /// Its first entry.
        first_seq: i64,
    },
    /// The node is stopping.
    #[error("the audit chain is closed")]
    Closed,
    /// The time was over.
    #[error("the audit chain was not drained in time: what waited is not written")]
    Undrained,
}

/// Changes that wait to be recorded. A transaction of so many takes some 30 ms; more wait outside.
const QUEUE: usize = 1_024;

impl Audit {
    /// Opens the chains and begins to write. What the witness of an earlier process says of them is
    /// compared with what they are; a difference is logged, and is the first entry that is written.
    pub async fn open(store: Store, keys: AuditKeys, data_dir: &Path, config: AuditConfig) -> Result<Self, AuditError> {
        let keys = Arc::new(keys);
        let (witness, news) = open::compare(&store, keys.clone(), data_dir).await?;
        let (queue, messages) = mpsc::channel(QUEUE);
        let (closing, is_closing) = watch::channel(false);
        let (refusals, grown) = (Arc::<Refusals>::default(), Arc::<Notify>::default());
        let writer = Writer {
            store: store.clone(),
            keys: keys.clone(),
            queue: messages,
            refusals: refusals.clone(),
            witness: Some(witness),
            later: news.into(),
            grown: grown.clone(),
        };
        let keeper = keeper::Keeper { store: store.clone(), keys: keys.clone(), config, grown, is_closing };
        let tasks = Mutex::new(Some([tokio::spawn(writer.run()), tokio::spawn(keeper.run())]));
        Ok(Self(Arc::new(Inner { store, keys, data_dir: data_dir.into(), queue, refusals, closing, tasks })))
    }

    /// Records something that is about to be done. It is durable when this returns; where this fails
    /// or is dropped it may not be, and it must not be done.
    pub async fn record(&self, entry: Entry) -> Result<(), AuditError> {
        self.send(entry, Recording::NowOrNever).await
    }

    /// Records how something ended that was begun. Where this fails the entry is not durable yet, and
    /// is tried again until the node ends; dropping the future changes nothing.
    pub async fn conclude(&self, entry: Entry) -> Result<(), AuditError> {
        self.send(entry, Recording::Surely).await
    }

    /// The same, by somebody who cannot wait.
    pub fn conclude_later(&self, entry: Entry) {
        let message = Message::Entry(Box::new(entry), Recording::Surely, None);
        if let Err(full) = self.0.queue.try_send(message) {
            let (queue, message) = (self.0.queue.clone(), full.into_inner());
            // Ends with the writer, which is drained: it then has the message, or is gone.
            tokio::spawn(async move { queue.send(message).await });
        }
    }

    /// Notes that somebody was refused. It is written within a second. Never waits.
    pub fn refused(&self, refusal: Refusal) {
        self.0.refusals.add(refusal);
    }

    /// Writes all that waits and ends what was begun at opening. What comes later is refused.
    pub async fn drain(&self, within: Duration) -> Result<(), AuditError> {
        let tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some([mut writer, mut keeper]) = tasks else { return Ok(()) };
        let deadline = Instant::now() + within;
        self.0.closing.send_replace(true);
        // The queue may be full: whoever closes it waits like everybody else.
        let _ = timeout_at(deadline, self.0.queue.send(Message::Close)).await;
        let written = timeout_at(deadline, &mut writer).await;
        // What it was doing is done again by the next one.
        if timeout_at(deadline, &mut keeper).await.is_err() {
            keeper.abort();
        }
        if matches!(written, Ok(Ok(()))) {
            return Ok(());
        }
        writer.abort();
        Err(AuditError::Undrained)
    }

    async fn send(&self, entry: Entry, recording: Recording) -> Result<(), AuditError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Entry(Box::new(entry), recording, Some(reply));
        self.0.queue.send(message).await.map_err(|_| AuditError::Closed)?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }
}

impl AuditConfig {
    /// How long the entries of a class are kept.
    pub fn retention(&self, class: Class) -> Duration {
        match class {
            Class::Change => self.changes,
            Class::Refusal => self.refusals,
        }
    }
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

#[cfg(test)]
mod tests;
