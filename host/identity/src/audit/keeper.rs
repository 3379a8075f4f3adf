use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sophia_store::{
    BlobKind, Store,
    audit::{AuditRow, AuditSegmentRow, SegmentState},
};
use tokio::sync::{Notify, watch};

use super::{
    AuditConfig, AuditError, Class,
    keys::AuditKeys,
    segment::{self, in_state},
    verify::off_thread,
};

/// Keeps the chains short: moves what is old into sealed parts, and forgets what is too old. A task
/// from the opening until the drain.
///
/// A part's range is fixed in a row before its blob is written, so that each step can be repeated
/// after a crash, or by another node at the same time, with the same end.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) keys: Arc<AuditKeys>,
    pub(super) config: AuditConfig,
    /// Told after each transaction.
    pub(super) grown: Arc<Notify>,
    pub(super) is_closing: watch::Receiver<bool>,
}

/// How often it looks for what has become old.
const ROUND: Duration = Duration::from_secs(60);

/// Between two looks at chains that grow: so many entries come meanwhile at most, that rows stay few.
const PAUSE: Duration = Duration::from_millis(250);

impl Keeper {
    /// Until the drain. What it was doing then is done again by the next one.
    pub(super) async fn run(self) {
        while !*self.is_closing.borrow() {
            for class in Class::ALL {
                if let Err(error) = self.keep(class).await {
                    let chain = class.as_str();
                    tracing::error!(chain, error = &error as &dyn std::error::Error, "an audit chain cannot be sealed");
                }
            }
            let mut is_closing = self.is_closing.clone();
            tokio::select! {
                // An error is the end of every `Audit`.
                _ = is_closing.changed() => {}
                () = tokio::time::sleep(ROUND) => {}
                () = self.has_grown() => {}
            }
            if self.is_closing.has_changed().is_err() {
                return;
            }
        }
    }

    async fn has_grown(&self) {
        tokio::time::sleep(PAUSE).await;
        self.grown.notified().await;
    }

    /// One round of a chain.
    async fn keep(&self, class: Class) -> Result<(), AuditError> {
        while self.seal_oldest(class).await? && !*self.is_closing.borrow() {}
        self.forget(class).await
    }

    /// Seals the oldest entries, if there are too many or they are too old. Whether it did.
    async fn seal_oldest(&self, class: Class) -> Result<bool, AuditError> {
        let chain = class.as_str();
        let parts = self.store.audit_segments(chain).await?;
        if let Some(plan) = parts.iter().find(|part| part.state == SegmentState::Planned) {
            return self.seal(plan.clone()).await;
        }
        let most = self.config.segment_entries;
        let is_full = self.store.count_audit_rows(chain).await? > i64::from(most);
        let mut rows = self.store.oldest_audit_rows(chain, if is_full { most } else { 1 }).await?;
        if !is_full {
            let is_old = rows.first().is_some_and(|row| row.at_micros < self.ago(self.config.segment_age));
            if !is_old {
                return Ok(false);
            }
            rows = self.store.oldest_audit_rows(chain, most).await?;
        }
        let before = parts.last().map_or_else(|| self.keys.genesis(chain).to_vec(), |part| part.last_mac.clone());
        let Some(plan) = segment::plan(&self.keys, chain, &before, &rows) else { return Ok(false) };
        self.store.plan_audit_segment(&plan).await?;
        Ok(true)
    }

    /// Writes the blob of a plan, then lets its rows go.
    async fn seal(&self, plan: AuditSegmentRow) -> Result<bool, AuditError> {
        let damaged = AuditError::Segment { chain: plan.chain.clone(), first_seq: plan.first_seq };
        if !segment::is_ours(&self.keys, &plan) {
            return Err(damaged);
        }
        let n_rows = u32::try_from(plan.last_seq - plan.first_seq + 1).unwrap_or(u32::MAX);
        let mut rows: Vec<AuditRow> = self.store.oldest_audit_rows(&plan.chain, n_rows).await?;
        rows.retain(|row| (plan.first_seq..=plan.last_seq).contains(&row.seq));
        // Another node was faster, and its blob must not be replaced by an empty one. Or the rows were
        // taken away: then what is left is sealed, verification says what is missing, and the chain
        // goes on.
        if rows.is_empty() && !self.is_planned(&plan).await? {
            return Ok(false);
        }
        let (keys, part) = (self.keys.clone(), plan.clone());
        let sealed = off_thread(move || segment::seal(&keys, &part, &rows)).await?;
        let sealed = sealed.map_err(|_| damaged)?;
        self.store.blobs().put(BlobKind::Audit, &segment::blob(&plan), sealed).await?;
        let done = in_state(&self.keys, plan, SegmentState::Sealed);
        let moved = self.store.move_audit_segment(SegmentState::Planned, &done).await?;
        if moved {
            tracing::info!(
                chain = done.chain,
                first = done.first_seq,
                last = done.last_seq,
                "audit entries are sealed"
            );
        }
        Ok(moved)
    }

    async fn is_planned(&self, plan: &AuditSegmentRow) -> Result<bool, AuditError> {
        Ok(self.store.audit_segments(&plan.chain).await?.contains(plan))
    }

    /// Removes the blobs of parts whose time is over. Their rows stay, so that the chain goes on.
    async fn forget(&self, class: Class) -> Result<(), AuditError> {
        let oldest = self.ago(self.config.retention(class));
        for part in self.store.audit_segments(class.as_str()).await? {
            let part = match part.state {
                SegmentState::Sealed if part.to_micros < oldest && segment::is_ours(&self.keys, &part) => {
                    let expired = in_state(&self.keys, part, SegmentState::Expired);
                    self.store.move_audit_segment(SegmentState::Sealed, &expired).await?;
                    expired
                }
                SegmentState::Expired => part,
                _ => continue,
            };
            self.store.blobs().delete(BlobKind::Audit, &segment::blob(&part)).await?;
            let gone = in_state(&self.keys, part, SegmentState::Gone);
            self.store.move_audit_segment(SegmentState::Expired, &gone).await?;
            tracing::info!(
                chain = gone.chain,
                first = gone.first_seq,
                last = gone.last_seq,
                "audit entries are forgotten: their time is over"
            );
        }
        Ok(())
    }

    fn ago(&self, time: Duration) -> i64 {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Timestamp::now().as_microsecond().saturating_sub(micros)
    }
}
