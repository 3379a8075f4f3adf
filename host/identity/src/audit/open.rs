use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use sophia_store::Store;

use super::{AuditError, Class, Entry, Outcome, Witness, keys::AuditKeys, verify::has, witness::Found};

/// Opens the witness, and compares what it says of the chains with what they are. A difference
/// becomes an entry: the witness goes on from here, and would otherwise forget it.
pub(super) async fn compare(
    store: &Store,
    keys: Arc<AuditKeys>,
    data_dir: &Path,
) -> Result<(Witness, Vec<Entry>), AuditError> {
    let dir = data_dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || Witness::open(&dir, &keys)).await;
    let opened = opened.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)));
    let (witness, found) = opened.map_err(|error| AuditError::Witness(Arc::new(error)))?;
    let mut news = Vec::new();
    match found {
        Found::Marks(marks) => {
            for mark in marks {
                if !has(store, &mark).await? {
                    let detail = format!("entry {} was acknowledged, and is not in the chain any more", mark.seq);
                    news.push(entry(&mark.chain, "rolled-back", detail));
                }
            }
        }
        // On a database that others share, or that was moved here, this node has acknowledged nothing.
        Found::Nothing => {
            for class in Class::ALL {
                if let Some(head) = store.audit_head(class.as_str()).await? {
                    let detail = format!("the chain has {} entries, and this node has no witness of them", head.seq);
                    news.push(entry(class.as_str(), "no-witness", detail));
                }
            }
        }
        Found::Damaged => news.push(entry("audit.witness", "witness-damaged", "the file cannot be read".to_owned())),
    }
    for entry in &news {
        tracing::error!(
            what = entry.action,
            chain = entry.resource,
            detail = entry.detail,
            "the audit chain is not what this node knew: see `sophia audit verify`"
        );
    }
    Ok((witness, news))
}

fn entry(resource: &str, action: &str, detail: String) -> Entry {
    Entry {
        class: Class::Change,
        at: Timestamp::now(),
        tenant: None,
        actor: None,
        action: format!("audit {action}"),
        resource: Some(resource.to_owned()),
        outcome: Outcome::Failed,
        status: None,
        count: 1,
        request_id: None,
        peer: None,
        detail: Some(detail),
    }
}
