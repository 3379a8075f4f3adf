//! The one that writes for all runs: whatever is in its queue goes into one transaction.

use std::sync::Arc;

use sophia_store::{
    Store,
    runs::{RunRef, RunWrite},
};
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{UnboundedReceiver, UnboundedSender},
    oneshot, watch,
};

use crate::error::WriteError;

/// What a run wants written, all of it or none.
pub(crate) struct Entry {
    pub(crate) run: RunRef,
    pub(crate) writes: Vec<RunWrite>,
    /// Told the number of the last event among them, once it can be read.
    pub(crate) seen: Option<(Arc<watch::Sender<u64>>, u64)>,
    /// None where nobody waits for it.
    pub(crate) reply: Option<oneshot::Sender<Result<(), WriteError>>>,
    /// Bounds what nobody waits for.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Into the queue of the writer; none of it is refused before the writer ends.
pub(crate) type Queue = UnboundedSender<Message>;

/// What the writer is told.
pub(crate) enum Message {
    /// To write.
    Entry(Entry),
    /// To end, when all that came before is written.
    Close,
}

/// Entries of one transaction. Each is a prompt or an answer, so some megabytes at most.
const MAX_BATCH: usize = 128;

/// Until it is told to end, or everybody who could tell it something is gone.
pub(crate) async fn run(store: Store, mut queue: UnboundedReceiver<Message>) {
    let mut messages = Vec::with_capacity(MAX_BATCH);
    while queue.recv_many(&mut messages, MAX_BATCH).await > 0 {
        let mut is_closing = false;
        let mut entries = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Entry(entry) => entries.push(entry),
                Message::Close => is_closing = true,
            }
        }
        write(&store, entries).await;
        if is_closing {
            return;
        }
    }
}

async fn write(store: &Store, mut entries: Vec<Entry>) {
    let mut rows = Vec::new();
    for entry in &mut entries {
        rows.extend(entry.writes.drain(..).map(|write| (entry.run.clone(), write)));
    }
    let written = store.write_runs(&rows).await.map_err(|error| WriteError::Store(Arc::new(error)));
    if let Err(error) = &written {
        tracing::error!(error = error as &dyn std::error::Error, "the journal of runs cannot be written");
    }
    for Entry { seen, reply, place, .. } in entries {
        if let (Ok(()), Some((seen, seq))) = (&written, seen) {
            seen.send_if_modified(|last| {
                let is_newer = seq > *last;
                *last = seq.max(*last);
                is_newer
            });
        }
        // Whoever waited may be gone.
        let _ = reply.map(|reply| reply.send(written.clone()));
        drop(place);
    }
}
