//! Whether the chains are what was written: all of each, from its first entry to its end.

use std::{path::Path, sync::Arc};

use serde::Serialize;
use sophia_store::{
    BlobKind, Store,
    audit::{AuditPart, AuditRow, AuditSegmentRow, SegmentState},
};

use super::{
    Audit, AuditError, Class, Fault, Mark, Witness,
    keys::{AuditKeys, Mac},
    segment,
    walk::Walk,
    witness::Found,
};

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every chain is as it was written.
    pub whole: bool,
    /// Each of them.
    pub chains: Vec<ChainReport>,
    /// What is not as it was written, in the order of the chains.
    pub faults: Vec<Fault>,
    /// Faults beyond those that are listed.
    pub more_faults: u64,
    /// What the node's own witness of the ends is: `agrees`, `disagrees`, `missing` or `damaged`.
    pub witness: &'static str,
}

/// What there is of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Its name.
    pub chain: &'static str,
    /// Entries that were read, those of sealed parts too.
    pub entries: u64,
    /// Entries whose time is over.
    pub expired: u64,
    /// What it ended with. Kept elsewhere, it tells later whether the chain was set back.
    pub checkpoint: Option<Mark>,
}

/// What stands at a place of a chain.
enum At {
    Mac(Mac),
    /// Something that was sealed.
    Sealed,
    Nothing,
}

/// Entries that are read at once: some 500 kB.
const PAGE: u32 = 1_000;

impl Audit {
    /// Reads every chain from its first entry to its end, while it grows. `checkpoint` is what must
    /// be in them, as it was kept elsewhere. Takes some seconds for a million entries.
    pub async fn verify(&self, checkpoint: &[Mark]) -> Result<Report, AuditError> {
        verify(&self.0.store, self.0.keys.clone(), &self.0.data_dir, checkpoint).await
    }

    /// The same of a node that does not run.
    pub async fn verify_stopped(
        store: &Store,
        keys: AuditKeys,
        data_dir: &Path,
        checkpoint: &[Mark],
    ) -> Result<Report, AuditError> {
        verify(store, Arc::new(keys), data_dir, checkpoint).await
    }

    /// What each chain ends with now.
    pub async fn checkpoint(&self) -> Result<Vec<Mark>, AuditError> {
        let mut marks = Vec::new();
        for class in Class::ALL {
            marks.extend(self.0.store.audit_head(class.as_str()).await?.as_ref().and_then(Mark::of));
        }
        Ok(marks)
    }
}

async fn verify(
    store: &Store,
    keys: Arc<AuditKeys>,
    data_dir: &Path,
    checkpoint: &[Mark],
) -> Result<Report, AuditError> {
    let (dir, of_witness) = (data_dir.to_owned(), keys.clone());
    let found = off_thread(move || Witness::found(&dir, &of_witness)).await?;
    let found = found.map_err(|error| AuditError::Witness(Arc::new(error)))?;
    let witnessed = match &found {
        Found::Marks(marks) => marks.clone(),
        Found::Nothing | Found::Damaged => Vec::new(),
    };
    let marks: Vec<Mark> = witnessed.iter().chain(checkpoint).cloned().collect();
    let mut report = Report { whole: true, chains: Vec::new(), faults: Vec::new(), more_faults: 0, witness: "agrees" };
    for class in Class::ALL {
        chain(store, &keys, class.as_str(), &marks, &mut report).await?;
    }
    report.witness = match found {
        Found::Nothing => "missing",
        Found::Damaged => "damaged",
        Found::Marks(marks) if have(store, &marks).await? => "agrees",
        Found::Marks(_) => "disagrees",
    };
    // A witness that was there and is unreadable was touched. One that is missing may never have been.
    report.whole = report.faults.is_empty() && report.witness != "damaged";
    Ok(report)
}

async fn chain(
    store: &Store,
    keys: &Arc<AuditKeys>,
    chain: &'static str,
    marks: &[Mark],
    report: &mut Report,
) -> Result<(), AuditError> {
    // First, so that what is written meanwhile lies behind it.
    let head = store.audit_head(chain).await?;
    let end = match &head {
        Some(head) => head.seq,
        // Nothing says where it ends: all that is there is read.
        None if store.audit_beyond(chain).await?.is_some() => i64::MAX,
        None => 0,
    };
    let mut walk = Walk::new(keys.clone(), chain, marks);
    while walk.place() < end {
        walk = match store.audit_part(chain, walk.place(), PAGE).await? {
            AuditPart::Rows(mut rows) => {
                rows.retain(|row| row.seq <= end);
                if rows.is_empty() {
                    break;
                }
                off_thread(move || with(walk, |walk| walk.rows(&rows))).await?
            }
            AuditPart::Segment(part) => {
                let (keys, sealed) = (keys.clone(), blob(store, &part).await?);
                off_thread(move || {
                    let opened = sealed.and_then(|sealed| segment::open(&keys, &part, &sealed).ok());
                    with(walk, |walk| walk.segment(&part, opened.as_deref()))
                })
                .await?
            }
        };
    }
    let beyond = store.audit_beyond(chain).await?;
    let ended = walk.end(head.as_ref(), beyond);
    let (faults, entries, expired) = ended;
    report.more_faults += faults.n_more;
    report.faults.extend(faults.list);
    report.chains.push(ChainReport { chain, entries, expired, checkpoint: head.as_ref().and_then(Mark::of) });
    Ok(())
}

fn with(mut walk: Walk, go: impl FnOnce(&mut Walk)) -> Walk {
    go(&mut walk);
    walk
}

/// What is sealed in a part; none where its time is over, or it is not there.
async fn blob(store: &Store, part: &AuditSegmentRow) -> Result<Option<Vec<u8>>, AuditError> {
    match part.state {
        SegmentState::Expired | SegmentState::Gone => Ok(None),
        SegmentState::Planned | SegmentState::Sealed => {
            Ok(store.blobs().get(BlobKind::Audit, &segment::blob(part)).await?)
        }
    }
}

/// The entries of a sealed part; none where its time is over.
pub(super) async fn entries(
    store: &Store,
    keys: &Arc<AuditKeys>,
    part: AuditSegmentRow,
) -> Result<Option<Vec<AuditRow>>, AuditError> {
    if matches!(part.state, SegmentState::Expired | SegmentState::Gone) {
        return Ok(None);
    }
    let damaged = AuditError::Segment { chain: part.chain.clone(), first_seq: part.first_seq };
    let sealed = blob(store, &part).await?.ok_or_else(|| damaged.clone())?;
    let keys = keys.clone();
    let opened = off_thread(move || segment::open(&keys, &part, &sealed)).await?;
    opened.map(Some).map_err(|_| damaged)
}

async fn have(store: &Store, marks: &[Mark]) -> Result<bool, AuditError> {
    for mark in marks {
        if !has(store, mark).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a chain still has an entry, as far as can be told without opening a sealed part.
pub(super) async fn has(store: &Store, mark: &Mark) -> Result<bool, AuditError> {
    Ok(match mac_at(store, &mark.chain, mark.seq).await? {
        At::Mac(mac) => mac == mark.mac,
        At::Sealed => true,
        At::Nothing => false,
    })
}

/// What stands at a place, as far as can be told without opening a sealed part.
async fn mac_at(store: &Store, chain: &str, seq: i64) -> Result<At, AuditError> {
    if let Some(row) = store.audit_row(chain, seq).await? {
        return Ok(row.mac.as_slice().try_into().map_or(At::Nothing, At::Mac));
    }
    let parts = store.audit_segments(chain).await?;
    let part = parts.iter().find(|part| (part.first_seq..=part.last_seq).contains(&seq));
    Ok(match part {
        None => At::Nothing,
        Some(part) if part.last_seq == seq => segment::last_mac(part).map_or(At::Nothing, At::Mac),
        Some(_) => At::Sealed,
    })
}

/// Thousands of MACs take longer than a tick.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AuditError> {
    // A panic in it was printed; the runtime's end is the node's.
    tokio::task::spawn_blocking(work).await.map_err(|_| AuditError::Closed)
}
