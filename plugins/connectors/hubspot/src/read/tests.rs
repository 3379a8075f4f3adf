use std::collections::{BTreeMap, BTreeSet};

use sophia_sdk::{Error, Json};

use super::{Reading, portal::Portal};
use crate::object::Object;

/// A day in 2025.
const DAY: u64 = 1_735_689_600_000;
const YEAR_MS: u64 = 365 * 86_400_000;

fn portal(records: impl IntoIterator<Item = (u64, u64)>) -> Portal {
    let mut portal = Portal::at(DAY + YEAR_MS);
    records.into_iter().for_each(|(id, modified)| portal.set(id, modified));
    portal
}

fn nothing(_: &mut Portal, _: usize) {}

/// Where changes are read from, all records being read.
fn read_all(portal: &mut Portal) -> Option<Json> {
    portal.read(None, 100, nothing).1
}

fn unique(found: &[(u64, u64)]) -> BTreeSet<(u64, u64)> {
    let set: BTreeSet<_> = found.iter().copied().collect();
    assert_eq!(set.len(), found.len(), "a record came twice");
    set
}

#[test]
fn reads_all_and_then_only_what_changed() {
    let mut portal = portal((1..=230).map(|id| (id, DAY + id)));
    let (found, cursor) = portal.read(None, 100, nothing);
    assert_eq!(unique(&found).len(), 230);
    let (found, cursor) = portal.read(cursor, 100, nothing);
    assert_eq!(found, []);
    portal.set(7, DAY + 1_000);
    portal.set(999, DAY + 1_001);
    let (found, cursor) = portal.read(cursor, 100, nothing);
    assert_eq!(found, [(7, DAY + 1_000), (999, DAY + 1_001)]);
    assert_eq!(portal.read(cursor, 100, nothing).0, []);
}

#[test]
fn reads_an_empty_portal_and_its_first_record() {
    let mut portal = portal([]);
    let cursor = read_all(&mut portal);
    assert!(cursor.is_some());
    portal.set(1, DAY);
    assert_eq!(portal.read(cursor, 100, nothing).0, [(1, DAY)]);
}

#[test]
fn reads_more_than_ten_thousand_changes_of_one_moment() {
    let mut portal = portal([(1, DAY)]);
    let cursor = read_all(&mut portal);
    (0..25_000).for_each(|n| portal.set(100_000 + (n * 7_919) % 25_000, DAY + 5));
    portal.set(2, DAY + 4);
    portal.set(3, DAY + 6);
    portal.n_requests = 0;
    let (found, cursor) = portal.read(cursor, 200, nothing);
    assert_eq!(unique(&found).len(), 25_002);
    assert!(portal.n_requests < 130, "{} requests", portal.n_requests);
    assert_eq!(portal.read(cursor, 200, nothing).0, []);
}

#[test]
fn reads_more_than_ten_thousand_changes_of_many_moments() {
    let mut portal = portal([(1, DAY)]);
    let cursor = read_all(&mut portal);
    // Groups of every size up to more than a page.
    let mut id = 10;
    for (moment, size) in (1..=180).cycle().enumerate().map(|(n, size)| (DAY + 1 + n as u64, size)).take(150) {
        (0..size).for_each(|_| {
            id += 1;
            portal.set(id, moment);
        });
    }
    for limit in [9, 100] {
        let (found, _) = portal.read(cursor.clone(), limit, nothing);
        assert_eq!(unique(&found).len() as u64, id - 10, "limit {limit}");
    }
}

#[test]
fn loses_nothing_that_changes_during_the_read() {
    for limit in [3, 50] {
        let mut portal = portal((1..=400).map(|id| (id, DAY + id / 8)));
        portal.now = DAY + 100_000;
        let mut state = BTreeMap::new();
        // Each page, some records of every region are changed, and one is new.
        let stir = |portal: &mut Portal, n: usize| {
            if n < 60 {
                portal.now += 300;
                let n = n as u64;
                [1, 399 - n, 200, 1_000 + n].into_iter().for_each(|id| portal.set(id, portal.now));
            }
        };
        let (found, cursor) = portal.read(None, limit, stir);
        state.extend(found);
        let (found, cursor) = portal.read(cursor, limit, stir);
        state.extend(found);
        let (found, cursor) = portal.read(cursor, limit, nothing);
        state.extend(found);
        let (expected, _) = portal.read(None, 100, nothing);
        assert_eq!(state, expected.into_iter().collect(), "limit {limit}");
        assert_eq!(portal.read(cursor, limit, nothing).0, []);
    }
}

#[test]
fn finds_a_change_that_the_index_learns_of_late() {
    let mut portal = portal([(1, DAY)]);
    portal.now = DAY + 600_000;
    let cursor = read_all(&mut portal);
    portal.set_unindexed(2, portal.now + 100);
    portal.set(3, portal.now + 200);
    portal.now += 1_000;
    let (found, cursor) = portal.read(cursor, 100, nothing);
    assert_eq!(found.len(), 1);
    portal.index();
    portal.now += 30_000;
    let (found, cursor) = portal.read(cursor, 100, nothing);
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2]);
    portal.now += 600_000;
    let (found, cursor) = portal.read(cursor, 100, nothing);
    assert_eq!(found, []);
    assert!(cursor.unwrap().as_str().ends_with(r#""recent":[]}"#), "what is settled is forgotten");
}

#[test]
fn does_not_repeat_what_was_created_while_all_were_read() {
    let mut portal = portal((1..=30).map(|id| (id, DAY)));
    portal.now = DAY + 600_000;
    let create = |portal: &mut Portal, n: usize| portal.set(100 + n as u64, portal.now);
    let (found, cursor) = portal.read(None, 10, |portal, n| {
        if n < 3 {
            create(portal, n)
        }
    });
    assert_eq!(unique(&found).len(), 32);
    assert_eq!(portal.read(cursor, 10, nothing).0, []);
}

#[test]
fn a_long_list_of_properties_is_asked_for_in_parts() {
    let names: Vec<String> = (0..200).map(|n| format!("a_rather_long_property_{n:03}")).collect();
    let mut portal = portal((1..=30).map(|id| (id, DAY)));
    portal.properties = Some(names.join(","));
    let (found, cursor) = portal.read(None, 20, nothing);
    assert_eq!(unique(&found).len(), 30);
    portal.set(4, DAY + 9);
    assert_eq!(portal.read(cursor, 20, nothing).0, [(4, DAY + 9)]);
}

#[test]
fn asks_hubspot_in_its_own_words() {
    let reading = |object| Reading { object, properties: vec![vec!["p".into(), "q".into()]], limit: 500, now: DAY };
    let ask = |object, cursor: Option<&'static str>| {
        let mut asked = Vec::new();
        let _ = reading(object).read(cursor.map(Json::literal), |requests| {
            asked.extend(requests.iter().map(|r| {
                let body = r.body_bytes().map(|body| String::from_utf8_lossy(body).into_owned());
                format!("{} {} {}", r.method(), r.url(), body.unwrap_or_default())
            }));
            Err(Error::TimedOut)
        });
        asked.join("\n")
    };
    assert_eq!(
        ask(Object::Deals, None),
        "POST https://api.hubapi.com/crm/v3/objects/deals/search {\"filterGroups\":[],\"sorts\":\
         [{\"propertyName\":\"hs_lastmodifieddate\",\"direction\":\"DESCENDING\"}],\"properties\":\
         [\"hs_lastmodifieddate\"],\"limit\":1}"
    );
    assert_eq!(
        ask(Object::Companies, Some(r#"{"phase":"list","after":"12","from":3}"#)),
        "GET https://api.hubapi.com/crm/v3/objects/companies?limit=100&properties=p%2Cq&after=12 "
    );
    assert_eq!(
        ask(Object::Contacts, Some(r#"{"phase":"changes","from":3}"#)),
        "POST https://api.hubapi.com/crm/v3/objects/contacts/search {\"filterGroups\":[{\"filters\":\
         [{\"propertyName\":\"lastmodifieddate\",\"operator\":\"GT\",\"value\":\"3\"}]}],\"sorts\":\
         [{\"propertyName\":\"lastmodifieddate\",\"direction\":\"ASCENDING\"}],\"properties\":[\"p\",\"q\"],\"limit\":200}"
    );
    assert_eq!(
        ask(Object::Contacts, Some(r#"{"phase":"moment","at":3,"above":9,"settled":1}"#)),
        "POST https://api.hubapi.com/crm/v3/objects/contacts/search {\"filterGroups\":[{\"filters\":\
         [{\"propertyName\":\"lastmodifieddate\",\"operator\":\"EQ\",\"value\":\"3\"},\
         {\"propertyName\":\"hs_object_id\",\"operator\":\"GT\",\"value\":\"9\"}]}],\"sorts\":\
         [{\"propertyName\":\"hs_object_id\",\"direction\":\"ASCENDING\"}],\"properties\":[\"p\",\"q\"],\"limit\":200}"
    );
}

#[test]
fn refuses_a_cursor_that_is_not_its_own() {
    let reading = Reading { object: Object::Deals, properties: Vec::new(), limit: 1, now: 0 };
    for cursor in ["1", r#"{"phase":"other"}"#, r#"{"phase":"changes"}"#, r#"{"phase":"changes","from":-1}"#] {
        let refused = reading.read(Some(Json::literal(cursor)), |_| panic!("{cursor} was sent"));
        assert!(matches!(refused, Err(Error::Invalid(_))), "{cursor}");
    }
}
