//! A page as HubSpot sends it. Records stay the text they came as.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use sophia_sdk::{Error, Json, http::Response, time::SystemTime};

use crate::object::Object;

/// The answer of a list or a search.
#[derive(Deserialize)]
pub(crate) struct Listed<'a> {
    #[serde(borrow)]
    pub(crate) results: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    paging: Option<Paging<'a>>,
}

#[derive(Deserialize)]
struct Paging<'a> {
    #[serde(borrow, default)]
    next: Option<Next<'a>>,
}

#[derive(Deserialize)]
struct Next<'a> {
    #[serde(borrow)]
    after: Cow<'a, str>,
}

impl Listed<'_> {
    /// Where the next page begins, if there is one.
    pub(crate) fn after(&self) -> Option<String> {
        Some(self.paging.as_ref()?.next.as_ref()?.after.to_string())
    }
}

/// A record, and what its place in an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: u64,
    /// Milliseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) json: Json,
}

/// Records in the order received.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) records: Vec<Record>,
    /// Where a list goes on; that a search has more.
    pub(crate) after: Option<String>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    properties: Modified<'a>,
    #[serde(borrow, default, rename = "updatedAt")]
    updated_at: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Modified<'a> {
    #[serde(borrow)]
    lastmodifieddate: Option<Cow<'a, str>>,
    #[serde(borrow)]
    hs_lastmodifieddate: Option<Cow<'a, str>>,
}

/// Reads the answers to one question that was asked in parts, each for some of the properties.
/// A record that is not in every part changed in between, so that it will come again; it is left
/// out here.
pub(crate) fn read(object: Object, answers: &[Response]) -> Result<Records, Error> {
    let Some((first, rest)) = answers.split_first() else { return Ok(Records::default()) };
    let mut records = read_one(object, first)?;
    for answer in rest {
        let mut part = read_one(object, answer)?.records;
        records.records.retain_mut(|record| {
            let Some(at) = part.iter().position(|other| other.id == record.id && other.modified == record.modified)
            else {
                return false;
            };
            let other = part.swap_remove(at);
            record.json = merged(&record.json, &other.json).unwrap_or_else(|| record.json.clone());
            true
        });
    }
    Ok(records)
}

fn read_one(object: Object, answer: &Response) -> Result<Records, Error> {
    let listed: Listed<'_> = answer.json()?;
    let unreadable = || Error::upstream(answer.status(), "HubSpot sent a record without id or time of change");
    let records: Option<Vec<Record>> = listed.results.iter().map(|raw| record(object, raw)).collect();
    Ok(Records { records: records.ok_or_else(unreadable)?, after: listed.after() })
}

fn record(object: Object, raw: &RawValue) -> Option<Record> {
    let head: Head<'_> = serde_json::from_str(raw.get()).ok()?;
    let property = match object {
        Object::Contacts => head.properties.lastmodifieddate,
        Object::Companies | Object::Deals => head.properties.hs_lastmodifieddate,
    };
    let modified = SystemTime::parse_rfc3339(&property.or(head.updated_at)?)?.unix_millis();
    Some(Record { id: head.id.parse().ok()?, modified, json: Json::from_text(raw.get().to_owned()) })
}

/// One record with the properties of both.
fn merged(a: &Json, b: &Json) -> Option<Json> {
    let (mut a, mut b): (Value, Value) = (a.parse().ok()?, b.parse().ok()?);
    let more = b.get_mut("properties")?.as_object_mut()?;
    a.get_mut("properties")?.as_object_mut()?.append(more);
    Some(a.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(records: &str) -> Response {
        Response::new(200, &[], format!(r#"{{"total":9,"results":[{records}],"paging":{{"next":{{"after":"7"}}}}}}"#))
    }

    const TIME: &str = r#""lastmodifieddate":"2025-01-01T00:00:00.001Z""#;

    #[test]
    fn keeps_records_as_they_came() {
        let text = format!(r#"{{ "id":"7", "properties":{{{TIME},"n":null}}, "archived":false }}"#);
        let records = read(Object::Contacts, &[answer(&text)]).unwrap();
        let json = Json::from_text(text);
        assert_eq!(records.records, [Record { id: 7, modified: 1_735_689_600_001, json }]);
        assert_eq!(records.after.as_deref(), Some("7"));
    }

    #[test]
    fn puts_parts_together() {
        let one =
            answer(&format!(r#"{{"id":"1","properties":{{{TIME},"a":"1"}}}},{{"id":"2","properties":{{{TIME}}}}}"#));
        let two = answer(&format!(r#"{{"id":"1","properties":{{{TIME},"b":"2"}}}}"#));
        let records = read(Object::Contacts, &[one, two]).unwrap().records;
        let [record] = records.as_slice() else { panic!("{records:?}") };
        let value: Value = record.json.parse().unwrap();
        assert_eq!((&value["properties"]["a"], &value["properties"]["b"]), (&"1".into(), &"2".into()));
    }

    #[test]
    fn a_record_without_its_time_is_the_vendors_fault() {
        for text in [r#"{"id":"1"}"#, r#"{"id":"x","updatedAt":"2025-01-01T00:00:00Z"}"#] {
            assert!(matches!(read(Object::Deals, &[answer(text)]), Err(Error::Upstream(_))), "{text}");
        }
    }
}
