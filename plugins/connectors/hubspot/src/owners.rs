//! The stream `owners`: short, never searched, always read whole
//! (docs/api-reference/latest/crm/owners/get-owners).

use serde::{Deserialize, Serialize};
use sophia_sdk::{
    Error, Json, Page,
    http::{self, Request, Response},
};

use crate::{API, page};

pub(crate) const STREAM: &str = "owners";

/// The API gives up to 500; the other streams' page is enough.
const MAX_PAGE: u32 = 100;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    after: String,
}

pub(crate) fn request(after: Option<&str>, limit: u32) -> Request {
    let request = http::get(format!("{API}/owners")).query("limit", limit);
    match after {
        Some(after) => request.query("after", after),
        None => request,
    }
}

/// Reads a page. There is nothing to go on from after the last one.
pub(crate) fn read(
    cursor: Option<Json>,
    limit: u32,
    send: impl FnOnce(Request) -> Result<Response, Error>,
) -> Result<Page, Error> {
    let cursor: Option<Cursor> = cursor.as_ref().map(Json::parse).transpose()?;
    let after = cursor.as_ref().map(|cursor| cursor.after.as_str());
    let answer = send(request(after, limit.clamp(1, MAX_PAGE)))?;
    let listed: page::Listed<'_> = answer.json()?;
    let items = listed.results.iter().map(|raw| Json::from_text(raw.get().to_owned())).collect();
    match listed.after() {
        Some(after) => Page::followed_by(items, &Cursor { after }),
        None => Ok(Page { items, next: None, more: false }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_page_by_page_to_the_end() {
        let first = read(None, 1000, |request| {
            assert_eq!(request.url(), "https://api.hubapi.com/crm/v3/owners?limit=100");
            let body = r#"{"results":[{"id":"1"}],"paging":{"next":{"after":"MQ=="}}}"#;
            Ok(Response::new(200, &[], body))
        })
        .unwrap();
        assert_eq!((first.items, first.more), (vec![Json::literal(r#"{"id":"1"}"#)], true));
        let last = read(first.next, 1, |request| {
            assert_eq!(request.url(), "https://api.hubapi.com/crm/v3/owners?limit=1&after=MQ%3D%3D");
            Ok(Response::new(200, &[], r#"{"results":[{"id":"2"}]}"#))
        })
        .unwrap();
        assert_eq!((last.items.len(), last.next, last.more), (1, None, false));
    }
}
