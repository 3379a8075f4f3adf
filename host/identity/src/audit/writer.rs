use std::{collections::VecDeque, sync::Arc, time::Duration};

use sophia_store::{Store, audit::AuditHeadRow};
use tokio::{
    sync::{Notify, mpsc::Receiver, oneshot},
    time::sleep,
};

use super::{AuditError, Entry, Mark, Witness, keys::AuditKeys, link::link, refusals::Refusals};

/// The one that writes for a node: a task from the opening until it is closed. What comes while it
/// writes goes into the next transaction together, so that the disk is flushed once for all of it.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) keys: Arc<AuditKeys>,
    pub(super) queue: Receiver<Message>,
    pub(super) refusals: Arc<Refusals>,
    /// None while it is being written, and where it could not be.
    pub(super) witness: Option<Witness>,
    /// What must be written, and nobody waits for or was told that it failed.
    pub(super) later: VecDeque<Entry>,
    /// Told after each transaction, for whoever keeps the chains short.
    pub(super) grown: Arc<Notify>,
}

/// What the writer is asked for, in the order of asking.
#[derive(Debug)]
pub(super) enum Message {
    /// To record something, and where the answer goes, if somebody waits for it.
    Entry(Box<Entry>, Recording, Option<Reply>),
    /// To write what came until now, and end.
    Close,
}

/// What becomes of an entry that could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recording {
    /// It is forgotten: what it says is not done.
    NowOrNever,
    /// It is tried again: what it says was done.
    Surely,
}

pub(super) type Reply = oneshot::Sender<Result<(), AuditError>>;

/// An entry that somebody may wait for.
struct Asked {
    entry: Box<Entry>,
    recording: Recording,
    reply: Option<Reply>,
}

/// Entries of a transaction: some 10 ms of it, and half a millisecond of MACs.
const MAX_BATCH: usize = 512;

/// How long it pauses after the store failed, so as not to spin.
const PAUSE: Duration = Duration::from_millis(500);

impl Writer {
    /// Until it is closed and all is written, or every [`super::Audit`] is gone.
    pub(super) async fn run(mut self) {
        let mut is_closing = false;
        while !is_closing || !self.later.is_empty() {
            let mut asked = Vec::new();
            if !is_closing {
                is_closing = self.receive(&mut asked).await;
            }
            if asked.is_empty() {
                self.write(Vec::new()).await;
            }
            for written in chunks(asked) {
                self.write(written).await;
            }
        }
    }

    /// Takes what waits, waiting for the first of it. Whether the writer is to end.
    async fn receive(&mut self, asked: &mut Vec<Asked>) -> bool {
        let mut messages = Vec::new();
        tokio::select! {
            n_received = self.queue.recv_many(&mut messages, MAX_BATCH) => {
                if n_received == 0 {
                    self.later.extend(self.refusals.take());
                    return true;
                }
            }
            () = self.refusals.are_ripe() => {}
            () = std::future::ready(()), if !self.later.is_empty() => {}
        }
        let is_closing = messages.iter().any(|message| matches!(message, Message::Close));
        if is_closing {
            // What comes later is refused, and what came until now is written: nothing is between.
            self.queue.close();
            while let Some(message) = self.queue.recv().await {
                messages.push(message);
            }
        }
        let refused = if is_closing { self.refusals.take() } else { self.refusals.take_ripe() };
        self.later.extend(refused);
        asked.extend(messages.into_iter().filter_map(|message| match message {
            Message::Entry(entry, recording, reply) => Some(Asked { entry, recording, reply }),
            Message::Close => None,
        }));
        is_closing
    }

    /// Writes entries in one transaction, and what is late with them, then tells everybody.
    async fn write(&mut self, mut asked: Vec<Asked>) {
        let n_late = self.later.len().min(MAX_BATCH);
        if asked.is_empty() && n_late == 0 {
            return;
        }
        let entries: Vec<Entry> =
            self.later.iter().take(n_late).chain(asked.iter().map(|asked| &*asked.entry)).cloned().collect();
        let keys = self.keys.clone();
        let written = self.store.append_audit(move |heads| link(&keys, heads, entries)).await;
        let written = written.map_err(AuditError::from).and_then(|linked| linked.map_err(AuditError::from));
        for reply in asked.iter_mut().filter_map(|asked| asked.reply.take()) {
            let _ = reply.send(written.as_ref().map(drop).map_err(Clone::clone));
        }
        match written {
            Ok(heads) => {
                self.later.drain(..n_late);
                self.witness(&heads).await;
                self.grown.notify_one();
            }
            Err(error) => {
                let late = asked.into_iter().filter(|asked| asked.recording == Recording::Surely);
                self.later.extend(late.map(|asked| *asked.entry));
                let late = self.later.len();
                tracing::error!(error = &error as &dyn std::error::Error, late, "the audit chain cannot be written");
                sleep(PAUSE).await;
            }
        }
    }

    /// Notes how far the chains have come. Off the async threads, since a disk that is slow to
    /// write makes even its cache wait.
    async fn witness(&mut self, heads: &[AuditHeadRow]) {
        let Some(mut witness) = self.witness.take() else { return };
        let (keys, marks) = (self.keys.clone(), heads.iter().filter_map(Mark::of).collect());
        let noted = tokio::task::spawn_blocking(move || {
            let noted = witness.note(&keys, marks);
            (witness, noted)
        });
        match noted.await {
            Ok((witness, noted)) => {
                if let Err(error) = noted {
                    tracing::error!(%error, "the witness of the audit chain cannot be written");
                }
                self.witness = Some(witness);
            }
            Err(error) => tracing::error!(%error, "the witness of the audit chain is not written any more"),
        }
    }
}

/// As many as fit into a transaction; none make none.
fn chunks(asked: Vec<Asked>) -> Vec<Vec<Asked>> {
    let mut chunks = Vec::new();
    let mut asked = asked.into_iter().peekable();
    while asked.peek().is_some() {
        chunks.push(asked.by_ref().take(MAX_BATCH).collect());
    }
    chunks
}
