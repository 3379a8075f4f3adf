//! Search as HubSpot does it: filters, sorting, and a window of 10,000.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    filter::{Comparable, Condition, Filter, Group},
    portal::{Kind, Portal, Record},
    refusal::Refusal,
};

// docs/api-reference/search/guide#limits: 200 objects a page (10 where nothing is said), 3,000
// characters a query, 10,000 results in all, 400 for a page behind them, 5 groups of 6 filters and
// 18 filters together.
const MAX_PAGE: usize = 200;
const DEFAULT_PAGE: usize = 10;
const MAX_RESULTS: usize = 10_000;
const MAX_QUERY_CHARS: usize = 3_000;
const MAX_GROUPS: usize = 5;
const MAX_FILTERS_IN_GROUP: usize = 6;
const MAX_FILTERS: usize = 18;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    #[serde(default)]
    filter_groups: Vec<Group>,
    #[serde(default)]
    sorts: Vec<Value>,
    #[serde(default)]
    properties: Vec<String>,
    limit: Option<usize>,
    after: Option<Value>,
}

struct Order {
    property: String,
    descending: bool,
}

/// Answers `POST /crm/v3/objects/{kind}/search`.
pub(super) fn search(kind: Kind, body: &[u8], portal: &Portal) -> Result<Value, Refusal> {
    let query = parse(body)?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    let after = query.after()?;
    if limit > MAX_PAGE {
        return Err(Refusal::invalid(format!("limit {limit} is over the maximum of {MAX_PAGE}")));
    }
    if after + limit > MAX_RESULTS {
        return Err(Refusal::invalid(format!("paging beyond {MAX_RESULTS} results is not supported")));
    }
    let groups = query.conditions()?;
    let order = query.order()?;
    let found = portal.records(kind).filter(|record| matches(kind, record, &groups));
    let found = order.sort(kind, found);
    let page = found.iter().skip(after).take(limit).map(|record| record.shown(kind, &query.properties));
    let page: Vec<Value> = page.collect();
    let mut answer = json!({"total": found.len(), "results": page});
    // HubSpot offers the next page even where it will refuse it: a reader must count for itself.
    if after + limit < found.len()
        && let Some(answer) = answer.as_object_mut()
    {
        answer.insert("paging".into(), json!({"next": {"after": (after + limit).to_string()}}));
    }
    Ok(answer)
}

fn parse(body: &[u8]) -> Result<Query, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::invalid("Invalid input JSON"))?;
    if text.chars().count() > MAX_QUERY_CHARS {
        return Err(Refusal::invalid(format!("a query can contain a maximum of {MAX_QUERY_CHARS} characters")));
    }
    serde_json::from_str(text).map_err(|e| Refusal::invalid(format!("Invalid input JSON: {e}")))
}

impl Query {
    /// `after` is a number, as text or as it is.
    fn after(&self) -> Result<usize, Refusal> {
        match &self.after {
            None | Some(Value::Null) => Some(0),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64().and_then(|n| usize::try_from(n).ok()),
        }
        .ok_or_else(|| Refusal::invalid("after must be an integer"))
    }

    fn conditions(&self) -> Result<Vec<Vec<Condition>>, Refusal> {
        let filters: usize = self.filter_groups.iter().map(|group| group.filters.len()).sum();
        let widest = self.filter_groups.iter().map(|group| group.filters.len()).max().unwrap_or(0);
        if self.filter_groups.len() > MAX_GROUPS || widest > MAX_FILTERS_IN_GROUP || filters > MAX_FILTERS {
            return Err(Refusal::invalid(format!(
                "at most {MAX_GROUPS} filterGroups, {MAX_FILTERS_IN_GROUP} filters in each and {MAX_FILTERS} in all"
            )));
        }
        self.filter_groups.iter().map(|group| group.filters.iter().map(Filter::parse).collect()).collect()
    }

    /// `sorts` is a list of which one entry is supported
    /// (<https://github.com/HubSpot/hubspot-api-nodejs>, README, CRM search).
    fn order(&self) -> Result<Order, Refusal> {
        match self.sorts.as_slice() {
            [] => Ok(Order { property: "createdate".into(), descending: false }),
            [Value::String(name)] => Ok(match name.strip_prefix('-') {
                Some(name) => Order { property: name.into(), descending: true },
                None => Order { property: name.clone(), descending: false },
            }),
            [Value::Object(sort)] => Ok(Order {
                property: sort.get("propertyName").and_then(Value::as_str).unwrap_or("createdate").into(),
                descending: sort.get("direction").and_then(Value::as_str) == Some("DESCENDING"),
            }),
            _ => Err(Refusal::invalid("only one sort is supported")),
        }
    }
}

impl Order {
    /// Ties come in an order of their own, the same for each page and unlike that of ids: HubSpot
    /// promises none.
    fn sort<'a>(&self, kind: Kind, records: impl Iterator<Item = &'a Record>) -> Vec<&'a Record> {
        let key = |record: &Record| Comparable::of(&record.property(kind, &self.property).unwrap_or_default());
        let mut records: Vec<(Comparable, &Record)> = records.map(|record| (key(record), record)).collect();
        records.sort_by(|(a, a_record), (b, b_record)| {
            let by_value = if self.descending { b.compare(a) } else { a.compare(b) };
            by_value.then_with(|| scattered(a_record.id).cmp(&scattered(b_record.id)))
        });
        records.into_iter().map(|(_, record)| record).collect()
    }
}

/// A fixed shuffle of ids: Fibonacci hashing, Knuth, The Art of Computer Programming, vol. 3, 6.4.
fn scattered(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn matches(kind: Kind, record: &Record, groups: &[Vec<Condition>]) -> bool {
    groups.is_empty() || groups.iter().any(|group| group.iter().all(|condition| condition.holds(kind, record)))
}
