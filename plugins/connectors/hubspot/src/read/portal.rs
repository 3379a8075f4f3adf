//! A portal in memory for the tests beside it: lists, searches, refuses as HubSpot does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sophia_sdk::{
    Error, Json, Page,
    http::{Request, Response},
    time::SystemTime,
};

use super::Reading;
use crate::object::Object;

/// Ids with the time of their last change, and of when the index gets to know of it.
#[derive(Default)]
pub(super) struct Portal {
    records: BTreeMap<u64, u64>,
    hidden: Vec<u64>,
    pub(super) now: u64,
    pub(super) n_requests: usize,
    pub(super) properties: Option<String>,
}

impl Portal {
    pub(super) fn at(now: u64) -> Self {
        Self { now, ..Self::default() }
    }

    pub(super) fn set(&mut self, id: u64, modified: u64) {
        self.records.insert(id, modified);
    }

    /// The record is there, and search does not find it yet.
    pub(super) fn set_unindexed(&mut self, id: u64, modified: u64) {
        self.set(id, modified);
        self.hidden.push(id);
    }

    pub(super) fn index(&mut self) {
        self.hidden.clear();
    }

    /// Reads a page as the connector does.
    pub(super) fn page(&mut self, cursor: Option<Json>, limit: u32) -> Page {
        let properties = crate::properties::chunks(Object::Contacts, self.properties.as_deref()).unwrap();
        let reading = Reading { object: Object::Contacts, properties, limit, now: self.now };
        reading.read(cursor, |requests| requests.iter().map(|request| self.answer(request)).collect()).unwrap()
    }

    /// Reads pages until there are no more; between them `meanwhile` happens. Answers ids and times.
    pub(super) fn read(
        &mut self,
        mut cursor: Option<Json>,
        limit: u32,
        mut meanwhile: impl FnMut(&mut Self, usize),
    ) -> (Vec<(u64, u64)>, Option<Json>) {
        let mut found = Vec::new();
        for n_pages in 1.. {
            let page = self.page(cursor, limit);
            assert!(page.items.len() <= limit as usize);
            found.extend(page.items.iter().map(id_and_time));
            cursor = page.next;
            if !page.more {
                break;
            }
            assert!(n_pages < 100_000, "a read that does not end");
            meanwhile(self, n_pages);
        }
        (found, cursor)
    }

    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        self.n_requests += 1;
        let body = match (request.method(), request.body_bytes()) {
            ("GET", None) => self.list(request.url()),
            ("POST", Some(body)) => self.search(&serde_json::from_slice(body).unwrap()),
            other => panic!("{other:?}"),
        };
        Ok(Response::new(200, &[], body.to_string()))
    }

    fn list(&self, url: &str) -> Value {
        let query = url.split_once('?').unwrap().1;
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        let limit: usize = parameter("limit").unwrap().parse().unwrap();
        let after: u64 = parameter("after").map_or(0, |after| after.parse().unwrap());
        assert!(limit <= 100);
        let found: Vec<_> = self.records.iter().filter(|(id, _)| **id > after).map(|(id, at)| (*id, *at)).collect();
        let next = found.get(limit - 1).filter(|_| found.len() > limit).map(|(id, _)| id.to_string());
        page(found.iter().take(limit), next)
    }

    fn search(&self, search: &Value) -> Value {
        let limit = search["limit"].as_u64().unwrap() as usize;
        assert!(limit <= 200 && search.get("after").is_none() && search["sorts"].as_array().unwrap().len() == 1);
        assert!(search.to_string().len() <= 3_000);
        let number = |filter: &Value| filter["value"].as_str().unwrap().parse::<u64>().unwrap();
        let none = Vec::new();
        let filters = search["filterGroups"].get(0).map_or(&none, |group| group["filters"].as_array().unwrap());
        let holds = |id: u64, at: u64| {
            filters.iter().all(|filter| match (filter["propertyName"].as_str(), filter["operator"].as_str()) {
                (Some("lastmodifieddate"), Some("GT")) => at > number(filter),
                (Some("lastmodifieddate"), Some("EQ")) => at == number(filter),
                (Some("hs_object_id"), Some("GT")) => id > number(filter),
                other => panic!("{other:?}"),
            })
        };
        let indexed = self.records.iter().filter(|(id, _)| !self.hidden.contains(id));
        let mut found: Vec<_> = indexed.map(|(id, at)| (*id, *at)).filter(|(id, at)| holds(*id, *at)).collect();
        let by_id = search["sorts"][0]["propertyName"] == "hs_object_id";
        // Records of one moment come in no order that could be relied on.
        found.sort_by_key(|(id, at)| if by_id { (*id, 0) } else { (*at, id.wrapping_mul(0x9e37_79b9_7f4a_7c15)) });
        if search["sorts"][0]["direction"] == "DESCENDING" {
            found.reverse();
        }
        let next = (found.len() > limit).then(|| limit.to_string());
        page(found.iter().take(limit), next)
    }
}

fn page<'a>(records: impl Iterator<Item = &'a (u64, u64)>, next: Option<String>) -> Value {
    let results: Vec<_> = records
        .map(|(id, at)| {
            let modified = SystemTime::from_unix_millis(*at).to_rfc3339();
            json!({ "id": id.to_string(), "properties": { "lastmodifieddate": modified } })
        })
        .collect();
    match next {
        Some(after) => json!({ "results": results, "paging": { "next": { "after": after } } }),
        None => json!({ "results": results }),
    }
}

fn id_and_time(item: &Json) -> (u64, u64) {
    let value: Value = item.parse().unwrap();
    let modified = SystemTime::parse_rfc3339(value["properties"]["lastmodifieddate"].as_str().unwrap()).unwrap();
    (value["id"].as_str().unwrap().parse().unwrap(), modified.unix_millis())
}
