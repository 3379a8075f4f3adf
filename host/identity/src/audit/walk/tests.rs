use super::*;
use crate::audit::{
    Class,
    keys::tests::keys,
    link::{link, tests::entry},
    segment::{in_state, plan},
};

/// A chain and what it ends with, as an attacker finds it.
#[derive(Clone)]
struct Chain {
    rows: Vec<AuditRow>,
    head: Option<AuditHeadRow>,
}

fn chain(n: usize) -> Chain {
    let entries = (1..=n).map(|nth| entry(Class::Change, &format!("name-{nth}")));
    let addition = link(&keys(), Vec::new(), entries).unwrap();
    Chain { rows: addition.rows.into_iter().map(|(_, row)| row).collect(), head: addition.heads.into_iter().next() }
}

fn marked(chain: &Chain, seq: i64) -> Mark {
    let row = chain.rows.iter().find(|row| row.seq == seq).unwrap();
    Mark { chain: "change".into(), seq, mac: row.mac.as_slice().try_into().unwrap() }
}

/// What the walk says of a chain, shown in pages of so many.
fn said(chain: &Chain, marks: &[Mark], page: usize) -> Vec<String> {
    let mut walk = Walk::new(Arc::new(keys()), "change", marks);
    let end = chain.head.as_ref().map_or(0, |head| head.seq);
    let rows: Vec<AuditRow> = chain.rows.iter().filter(|row| row.seq <= end).cloned().collect();
    rows.chunks(page).for_each(|rows| walk.rows(rows));
    let beyond = chain.rows.iter().map(|row| row.seq).find(|seq| *seq > end);
    let (faults, ..) = walk.end(chain.head.as_ref(), beyond);
    faults.list.iter().map(|fault| format!("{} {} {}", fault.first, fault.last, fault.what.as_str())).collect()
}

fn check(tamper: impl FnOnce(&mut Chain), expected: &[&str]) {
    let mut touched = chain(40);
    tamper(&mut touched);
    assert_eq!(said(&touched, &[], 1_000), expected);
}

#[test]
fn a_chain_as_it_was_written_is_whole_in_pages_of_any_size() {
    for n in [0, 1, 2, 40] {
        for page in [1, 3, 1_000] {
            let chain = chain(n);
            let marks: Vec<Mark> = chain.rows.iter().map(|row| marked(&chain, row.seq)).collect();
            assert_eq!(said(&chain, &marks, page), Vec::<String>::new(), "{n} {page}");
        }
    }
}

#[test]
fn says_what_was_done_to_a_chain_and_where() {
    // Change.
    check(|chain| chain.rows[9].outcome = "refused".into(), &["10 10 changed"]);
    check(|chain| chain.rows[39].count = 2, &["40 40 changed"]);
    check(|chain| chain.rows[9].mac[0] ^= 1, &["10 10 changed"]);
    check(|chain| chain.rows[9].mac.clear(), &["10 10 changed"]);
    // Removal, with and without closing the gap.
    check(|chain| drop(chain.rows.remove(9)), &["10 10 removed"]);
    check(|chain| drop(chain.rows.drain(4..9)), &["5 9 removed"]);
    check(|chain| drop(chain.rows.remove(0)), &["1 1 removed"]);
    check(
        |chain| {
            chain.rows.remove(9);
            chain.rows[9..].iter_mut().for_each(|row| row.seq -= 1);
        },
        &["10 10 removed", "11 39 moved", "40 40 truncated"],
    );
    // Insertion, in between and behind the end.
    check(
        |chain| {
            chain.rows[9..].iter_mut().for_each(|row| row.seq += 1);
            chain.rows.insert(9, AuditRow { seq: 10, ..chain.rows[8].clone() });
        },
        &["10 10 inserted", "11 40 moved"],
    );
    check(|chain| chain.rows.push(AuditRow { seq: 41, ..chain.rows[39].clone() }), &["41 41 inserted"]);
    // Reordering: contents change places, MACs with them or not.
    check(
        |chain| {
            chain.rows.swap(9, 10);
            (chain.rows[9].seq, chain.rows[10].seq) = (10, 11);
        },
        &["10 10 moved", "11 11 moved"],
    );
    check(
        |chain| {
            let (a, b) = (chain.rows[9].resource.clone(), chain.rows[12].resource.clone());
            (chain.rows[9].resource, chain.rows[12].resource) = (b, a);
        },
        &["10 10 changed", "13 13 changed"],
    );
    // Truncation, with the end as it was, changed, or gone.
    check(|chain| chain.rows.truncate(30), &["31 40 truncated"]);
    check(|chain| chain.rows.clear(), &["1 40 truncated"]);
    check(
        |chain| {
            chain.rows.truncate(30);
            let last = chain.rows[29].mac.clone();
            let head = chain.head.as_mut().unwrap();
            (head.seq, head.mac) = (30, last);
        },
        &["30 30 end"],
    );
    check(|chain| chain.head = None, &["1 1 end"]);
    check(|chain| chain.head.as_mut().unwrap().mac[0] ^= 1, &["40 40 end"]);
}

#[test]
fn a_chain_that_was_set_back_whole_is_found_by_what_was_witnessed() {
    let (earlier, later) = (chain(30), chain(40));
    assert_eq!(said(&earlier, &[], 1_000), Vec::<String>::new(), "it is whole in itself");
    assert_eq!(said(&earlier, &[marked(&later, 40)], 1_000), ["40 40 rolled-back"]);
    assert_eq!(said(&Chain { rows: Vec::new(), head: None }, &[marked(&later, 40)], 1_000), ["40 40 rolled-back"]);
    let mut other = marked(&later, 20);
    other.mac[0] ^= 1;
    assert_eq!(said(&later, &[other.clone()], 1_000), ["20 20 rolled-back"], "it grew again otherwise");
    other.chain = "refusal".into();
    assert_eq!(said(&later, &[other], 1_000), Vec::<String>::new());
}

/// Every single change at every place is found, in pages of any size.
#[test]
fn no_single_touch_goes_unseen() {
    let mut random = fastrand::Rng::with_seed(4);
    let whole = chain(40);
    for round in 0..2_000 {
        let mut touched = whole.clone();
        let (at, other) = (random.usize(..40), random.usize(..40));
        match random.u8(..6) {
            0 => touched.rows[at].at_micros += 1,
            1 => drop(touched.rows.remove(at)),
            2 => touched.rows[at].mac[random.usize(..32)] ^= 1 << random.u8(..8),
            3 if at != other => {
                touched.rows.swap(at, other);
                (touched.rows[at].seq, touched.rows[other].seq) = (at as i64 + 1, other as i64 + 1);
            }
            4 => {
                let row = touched.rows[other].clone();
                touched.rows[at..].iter_mut().for_each(|row| row.seq += 1);
                touched.rows.insert(at, AuditRow { seq: at as i64 + 1, ..row });
            }
            5 => touched.rows.truncate(at),
            _ => continue,
        }
        for page in [7, 1_000] {
            assert_ne!(said(&touched, &[], page), Vec::<String>::new(), "round {round}, place {at} and {other}");
        }
    }
}

#[test]
fn sealed_parts_are_walked_and_those_whose_time_is_over_passed() {
    let (own, whole) = (keys(), chain(40));
    let part = plan(&own, "change", &own.genesis("change"), &whole.rows[..20]).unwrap();
    let sealed = in_state(&own, part.clone(), SegmentState::Sealed);
    let gone = in_state(&own, part, SegmentState::Gone);
    let walked = |part: &AuditSegmentRow, opened: Option<&[AuditRow]>, rest: &[AuditRow]| {
        let mut walk = Walk::new(Arc::new(keys()), "change", &[]);
        walk.segment(part, opened);
        walk.rows(rest);
        let (faults, n_entries, n_expired) = walk.end(whole.head.as_ref(), None);
        (faults.list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), n_entries, n_expired)
    };
    assert_eq!(walked(&sealed, Some(&whole.rows[..20]), &whole.rows[20..]), (String::new(), 40, 0));
    assert_eq!(walked(&gone, None, &whole.rows[20..]), (String::new(), 20, 20));
    let missing = "change 1 to 20: this sealed part is missing or was changed".to_owned();
    assert_eq!(walked(&sealed, None, &whole.rows[20..]), (missing.clone(), 20, 0));
    // Sealed again as gone by somebody without the key, so as to get rid of what it says.
    let forged = AuditSegmentRow { state: SegmentState::Gone, ..sealed.clone() };
    assert_eq!(walked(&forged, None, &whole.rows[20..]), (missing, 20, 0));
    assert_eq!(walked(&gone, None, &whole.rows[21..]).0, "change 21: was removed");
    assert_eq!(walked(&sealed, Some(&whole.rows[..18]), &whole.rows[20..]).0, "change 19 to 20: was removed");
    assert_eq!(walked(&sealed, Some(&[]), &whole.rows[20..]).0, "change 1 to 20: was removed");
    let mut touched = whole.rows[..20].to_vec();
    touched[4].count = 9;
    assert_eq!(walked(&sealed, Some(&touched), &whole.rows[20..]).0, "change 5: is not what was written there");
}
