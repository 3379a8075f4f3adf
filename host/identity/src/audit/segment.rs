//! A sealed part of a chain: its entries as lines of JSON, encrypted, readable for as long as
//! anybody has the key.

use ring::error::Unspecified;
use sophia_store::audit::{AuditRow, AuditSegmentRow, SegmentState};

use super::keys::{AuditKeys, Mac};

/// What a segment of these entries is, before its blob is written; none where there are none.
pub(crate) fn plan(keys: &AuditKeys, chain: &str, before: &[u8], rows: &[AuditRow]) -> Option<AuditSegmentRow> {
    let (first, last) = (rows.first()?, rows.last()?);
    let times = || rows.iter().map(|row| row.at_micros);
    let plan = AuditSegmentRow {
        chain: chain.to_owned(),
        first_seq: first.seq,
        last_seq: last.seq,
        from_micros: times().min()?,
        to_micros: times().max()?,
        before_mac: before.to_vec(),
        last_mac: last.mac.clone(),
        state: SegmentState::Planned,
        seal: Vec::new(),
    };
    Some(in_state(keys, plan, SegmentState::Planned))
}

/// The same segment, a step further.
pub(crate) fn in_state(keys: &AuditKeys, mut segment: AuditSegmentRow, state: SegmentState) -> AuditSegmentRow {
    segment.state = state;
    segment.seal = keys.segment(&segment).to_vec();
    segment
}

/// The name of its blob.
pub(crate) fn blob(segment: &AuditSegmentRow) -> String {
    format!("{}-{}", segment.chain, segment.first_seq)
}

/// Whether its row is what this installation wrote.
pub(crate) fn is_ours(keys: &AuditKeys, segment: &AuditSegmentRow) -> bool {
    segment.seal == keys.segment(segment)
}

/// The MAC of its last entry; none where that is no MAC.
pub(crate) fn last_mac(segment: &AuditSegmentRow) -> Option<Mac> {
    segment.last_mac.as_slice().try_into().ok()
}

/// Its entries as they are kept. Takes some milliseconds for thousands.
pub(crate) fn seal(keys: &AuditKeys, segment: &AuditSegmentRow, rows: &[AuditRow]) -> Result<Vec<u8>, Unspecified> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row).map_err(|_| Unspecified)?;
        text.push(b'\n');
    }
    keys.seal(segment, text)
}

/// Its entries; an error for a blob that is not what was sealed there.
pub(crate) fn open(keys: &AuditKeys, segment: &AuditSegmentRow, sealed: &[u8]) -> Result<Vec<AuditRow>, Unspecified> {
    let text = keys.open(segment, sealed)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|_| Unspecified)).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Class,
            keys::tests::keys,
            link::{link, tests::entry},
        },
        *,
    };

    #[test]
    fn entries_come_out_as_they_went_in() {
        let keys = keys();
        let entries = (0..50).map(|n| entry(Class::Change, &format!("name-{n}\u{1f600}\"")));
        let rows: Vec<_> = link(&keys, Vec::new(), entries).unwrap().rows.into_iter().map(|(_, row)| row).collect();
        let segment = plan(&keys, "change", &keys.genesis("change"), &rows).unwrap();
        assert_eq!((segment.first_seq, segment.last_seq, blob(&segment).as_str()), (1, 50, "change-1"));
        let sealed = seal(&keys, &segment, &rows).unwrap();
        assert_eq!(open(&keys, &segment, &sealed).unwrap(), rows);
        let later = in_state(&keys, segment.clone(), SegmentState::Sealed);
        assert!(is_ours(&keys, &segment) && is_ours(&keys, &later));
        assert_eq!(open(&keys, &later, &sealed).unwrap(), rows);
        assert!(!is_ours(&keys, &AuditSegmentRow { state: SegmentState::Gone, ..later }));
        assert_eq!(plan(&keys, "change", &[], &[]), None);
    }
}
