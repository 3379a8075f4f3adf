use std::collections::BTreeMap;

use sophia_store::audit::{AuditAddition, AuditHeadRow};

use super::{
    Entry,
    keys::{AuditKeys, Mac},
};

/// What a chain ends with is not what this installation wrote: nothing is added to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the end of the audit chain `{chain}` is not what this installation wrote there")]
pub struct ForeignHead {
    /// Which chain.
    pub chain: String,
}

/// Links entries to the ends of their chains, in their order.
pub(crate) fn link(
    keys: &AuditKeys,
    heads: Vec<AuditHeadRow>,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<AuditAddition, ForeignHead> {
    let heads: BTreeMap<String, AuditHeadRow> = heads.into_iter().map(|head| (head.chain.clone(), head)).collect();
    let mut ends: BTreeMap<&'static str, (i64, Mac)> = BTreeMap::new();
    let mut rows = Vec::new();
    for entry in entries {
        let chain = entry.class.as_str();
        let (seq, before) = match ends.get(chain) {
            Some(end) => *end,
            None => end(keys, chain, heads.get(chain))?,
        };
        let mut row = entry.into_row();
        row.seq = seq + 1;
        let mac = keys.entry(chain, &before, &row);
        row.mac = mac.to_vec();
        ends.insert(chain, (row.seq, mac));
        rows.push((chain.to_owned(), row));
    }
    let heads = ends.into_iter().map(|(chain, (seq, mac))| sealed_head(keys, chain, seq, mac));
    Ok(AuditAddition { rows, heads: heads.collect() })
}

fn end(keys: &AuditKeys, chain: &str, head: Option<&AuditHeadRow>) -> Result<(i64, Mac), ForeignHead> {
    let Some(head) = head else { return Ok((0, keys.genesis(chain))) };
    let foreign = || ForeignHead { chain: chain.to_owned() };
    if head.seal != keys.head(head) {
        return Err(foreign());
    }
    Ok((head.seq, head.mac.as_slice().try_into().map_err(|_| foreign())?))
}

fn sealed_head(keys: &AuditKeys, chain: &str, seq: i64, mac: Mac) -> AuditHeadRow {
    let mut head = AuditHeadRow { chain: chain.to_owned(), seq, mac: mac.to_vec(), seal: Vec::new() };
    head.seal = keys.head(&head).to_vec();
    head
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;

    use super::{
        super::{Class, Outcome, keys::tests::keys},
        *,
    };

    pub(crate) fn entry(class: Class, name: &str) -> Entry {
        Entry {
            class,
            at: Timestamp::from_microsecond(1_700_000_000_000_000).unwrap(),
            tenant: Some("main".parse().unwrap()),
            actor: Some("ci".into()),
            action: "PUT /v1/secrets/{name}".into(),
            resource: Some(format!("/v1/secrets/{name}")),
            outcome: Outcome::Done,
            status: Some(200),
            count: 1,
            request_id: None,
            peer: None,
            detail: None,
        }
    }

    #[test]
    fn each_entry_goes_on_from_the_end_of_its_chain() {
        let keys = keys();
        let entries = [Class::Change, Class::Refusal, Class::Change].map(|class| entry(class, "a"));
        let first = link(&keys, Vec::new(), entries).unwrap();
        let places: Vec<_> = first.rows.iter().map(|(chain, row)| (chain.as_str(), row.seq)).collect();
        assert_eq!(places, [("change", 1), ("refusal", 1), ("change", 2)]);
        let (_, last) = &first.rows[2];
        assert_eq!(first.heads[0].mac, last.mac);
        let second = link(&keys, first.heads.clone(), [entry(Class::Change, "b")]).unwrap();
        let (_, next) = &second.rows[0];
        assert_eq!(next.seq, 3);
        assert_eq!(next.mac, keys.entry("change", &last.mac.as_slice().try_into().unwrap(), next));
        assert_eq!(second.heads.len(), 1);
    }

    #[test]
    fn nothing_is_linked_to_an_end_that_is_not_ours() {
        let keys = keys();
        let heads = link(&keys, Vec::new(), [entry(Class::Change, "a"), entry(Class::Change, "b")]).unwrap().heads;
        for head in [
            AuditHeadRow { seq: 1, ..heads[0].clone() },
            AuditHeadRow { mac: vec![0; 32], ..heads[0].clone() },
            AuditHeadRow { chain: "change".into(), seal: vec![0; 32], ..heads[0].clone() },
        ] {
            let foreign = link(&keys, vec![head.clone()], [entry(Class::Change, "c")]).unwrap_err();
            assert_eq!(foreign, ForeignHead { chain: "change".into() });
            assert!(link(&keys, vec![head], [entry(Class::Refusal, "c")]).is_ok(), "the other chain goes on");
        }
    }
}
