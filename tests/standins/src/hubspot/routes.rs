use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    portal::{Kind, Portal},
    rate::Quota,
    refusal::{Refusal, reply},
    search::search,
};
use crate::Seen;

/// The largest page of a list (docs/api-reference/legacy/crm/objects/contacts/v1/get-contacts-v1-lists-all-contacts-all:
/// "a maximum of 100 contacts per page"; HubSpot's own clients page by 100 in v3 too).
const MAX_PAGE: usize = 100;
/// The page where none is asked for (docs/api-reference/crm-contacts-v3/guide).
const DEFAULT_PAGE: usize = 10;
/// The largest page of owners (docs/api-reference/latest/crm/owners/get-owners).
const MAX_OWNERS_PAGE: usize = 500;
/// The page of owners where none is asked for (docs/api-reference/latest/crm/owners/get-owners).
const DEFAULT_OWNERS_PAGE: usize = 100;

#[derive(Deserialize)]
struct Written {
    properties: BTreeMap<String, Value>,
}

/// The token of a request. Only a bearer token counts: API keys in the query ended on 2022-11-30
/// (<https://legacydocs.hubspot.com/docs/faq/api-error-responses>), and Basic was never taken.
pub(super) fn bearer<'a>(request: &'a Seen, known: &[String]) -> Result<&'a str, Refusal> {
    let token = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    token.filter(|token| known.iter().any(|k| k == token)).ok_or_else(Refusal::unauthorised)
}

/// The window that a request counts in.
pub(super) fn quota(request: &Seen) -> Quota {
    if request.uri.path().ends_with("/search") { Quota::Search } else { Quota::General }
}

/// Answers a request that was let in.
pub(super) fn answer(request: &Seen, portal: &mut Portal, now: u64) -> Result<Response<Bytes>, Refusal> {
    let path: Vec<&str> = request.uri.path().trim_start_matches('/').split('/').collect();
    match (&request.method, path.as_slice()) {
        (&Method::GET, ["crm", "v3", "owners"] | ["crm", "v3", "owners", ""]) => owners(request, portal),
        (&Method::GET, ["crm", "v3", "objects", kind]) => list(request, kind_of(kind)?, portal),
        (&Method::POST, ["crm", "v3", "objects", kind]) => {
            let kind = kind_of(kind)?;
            let made = portal.create(kind, properties(&request.body)?, now)?;
            Ok(reply(StatusCode::CREATED, &made.shown(kind, &[])))
        }
        (&Method::POST, ["crm", "v3", "objects", kind, "search"]) => {
            Ok(reply(StatusCode::OK, &search(kind_of(kind)?, &request.body, portal)?))
        }
        (&Method::GET, ["crm", "v3", "objects", kind, id]) => {
            let kind = kind_of(kind)?;
            let record = portal.record(kind, id_of(id)?).ok_or_else(Refusal::not_found)?;
            Ok(reply(StatusCode::OK, &record.shown(kind, &asked(request))))
        }
        (&Method::PATCH, ["crm", "v3", "objects", kind, id]) => {
            let kind = kind_of(kind)?;
            let changed = portal.update(kind, id_of(id)?, properties(&request.body)?, now)?;
            Ok(reply(StatusCode::OK, &changed.shown(kind, &[])))
        }
        (_, ["crm", "v3", "owners", ..] | ["crm", "v3", "objects", ..]) => Err(Refusal::method()),
        _ => Err(Refusal::not_found()),
    }
}

/// `GET /crm/v3/objects/{kind}`: by id, from `after` on.
fn list(request: &Seen, kind: Kind, portal: &Portal) -> Result<Response<Bytes>, Refusal> {
    let (limit, after) = paging(request, DEFAULT_PAGE, MAX_PAGE)?;
    let asked = asked(request);
    let records = portal.records(kind).filter(|record| record.id > after).map(|record| (record.id, record));
    let path = format!("https://api.hubapi.com/crm/v3/objects/{}", kind.as_str());
    Ok(page(records, limit, &path, |record| record.shown(kind, &asked)))
}

/// `GET /crm/v3/owners`.
fn owners(request: &Seen, portal: &Portal) -> Result<Response<Bytes>, Refusal> {
    let (limit, after) = paging(request, DEFAULT_OWNERS_PAGE, MAX_OWNERS_PAGE)?;
    let owners = portal.owners().filter(|owner| owner.id > after).map(|owner| (owner.id, owner));
    Ok(page(owners, limit, "https://api.hubapi.com/crm/v3/owners", |owner| owner.shown()))
}

/// A page, and where the next begins: `paging.next.after`.
fn page<T>(
    items: impl Iterator<Item = (u64, T)>,
    limit: usize,
    path: &str,
    shown: impl Fn(&T) -> Value,
) -> Response<Bytes> {
    let mut items: Vec<(u64, T)> = items.take(limit + 1).collect();
    let has_more = items.len() > limit;
    items.truncate(limit);
    let mut answer = json!({"results": items.iter().map(|(_, item)| shown(item)).collect::<Vec<_>>()});
    if has_more && let (Some((last, _)), Some(answer)) = (items.last(), answer.as_object_mut()) {
        let next = json!({"after": last.to_string(), "link": format!("{path}?after={last}")});
        answer.insert("paging".into(), json!({ "next": next }));
    }
    reply(StatusCode::OK, &answer)
}

fn paging(request: &Seen, default: usize, most: usize) -> Result<(usize, u64), Refusal> {
    let limit = parameter(request, "limit").map_or(Ok(default), |text| {
        text.parse().map_err(|_| Refusal::invalid(format!("limit: {text} is not a valid integer")))
    })?;
    if limit > most {
        return Err(Refusal::invalid(format!("limit {limit} is over the maximum of {most}")));
    }
    let after = parameter(request, "after").map_or(Ok(0), |text| {
        text.parse().map_err(|_| Refusal::invalid(format!("after: {text} is not a valid cursor")))
    })?;
    Ok((limit, after))
}

/// The properties that a request asks for, besides the default ones.
fn asked(request: &Seen) -> Vec<String> {
    let text = parameter(request, "properties").unwrap_or_default();
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn parameter(request: &Seen, name: &str) -> Option<String> {
    let query = request.uri.query()?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn properties(body: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let written: Written =
        serde_json::from_slice(body).map_err(|e| Refusal::invalid(format!("Invalid input JSON: {e}")))?;
    Ok(written.properties.into_iter().map(|(name, value)| (name, text(value))).collect())
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn kind_of(text: &str) -> Result<Kind, Refusal> {
    Kind::parse(text).ok_or_else(|| Refusal::invalid(format!("Unable to infer object type from: {text}")))
}

fn id_of(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}
