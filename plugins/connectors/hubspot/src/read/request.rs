//! The questions of a read, as HTTP.

use serde::Serialize;
use sophia_sdk::{
    Error,
    http::{self, Request},
};

use super::Reading;
use crate::{API, cursor::Cursor};

/// Of a list (reference of the CRM objects API); HubSpot refuses more.
const MAX_LIST_PAGE: u32 = 100;
/// docs/api-reference/search/guide, limits.
const MAX_SEARCH_PAGE: u32 = 200;

/// docs/api-reference/search/guide.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Search<'a> {
    filter_groups: &'a [Group<'a>],
    /// One: HubSpot takes no second.
    sorts: [Sort<'a>; 1],
    properties: &'a [String],
    limit: u32,
}

#[derive(Serialize)]
struct Group<'a> {
    filters: &'a [Filter<'a>],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    property_name: &'a str,
    operator: &'a str,
    /// Times as milliseconds since 1970.
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sort<'a> {
    property_name: &'a str,
    direction: &'a str,
}

const ID: &str = "hs_object_id";

impl Reading {
    /// The requests for the page that a cursor stands before: one for each part of the properties.
    pub(super) fn requests(&self, cursor: &Cursor) -> Result<Vec<Request>, Error> {
        self.properties.iter().map(|properties| self.request(cursor, properties)).collect()
    }

    /// Asks for the record that was changed last.
    pub(super) fn newest(&self) -> Result<Request, Error> {
        let modified = self.object.modified_property();
        let properties = [modified.to_owned()];
        self.search(&Search {
            filter_groups: &[],
            sorts: [Sort { property_name: modified, direction: "DESCENDING" }],
            properties: &properties,
            limit: 1,
        })
    }

    fn request(&self, cursor: &Cursor, properties: &[String]) -> Result<Request, Error> {
        let modified = self.object.modified_property();
        match cursor {
            Cursor::List { after, .. } => Ok(self.list(after.as_deref(), properties)),
            Cursor::Changes { from, .. } => self.page(&[filter(modified, "GT", *from)], modified, properties),
            Cursor::Moment { at, above, .. } => {
                self.page(&[filter(modified, "EQ", *at), filter(ID, "GT", *above)], ID, properties)
            }
        }
    }

    fn list(&self, after: Option<&str>, properties: &[String]) -> Request {
        let request = http::get(format!("{API}/objects/{}", self.object.as_str()))
            .query("limit", self.limit.clamp(1, MAX_LIST_PAGE))
            .query("properties", properties.join(","));
        match after {
            Some(after) => request.query("after", after),
            None => request,
        }
    }

    fn page(&self, filters: &[Filter<'_>], order: &str, properties: &[String]) -> Result<Request, Error> {
        self.search(&Search {
            filter_groups: &[Group { filters }],
            sorts: [Sort { property_name: order, direction: "ASCENDING" }],
            properties,
            limit: self.limit.clamp(1, MAX_SEARCH_PAGE),
        })
    }

    fn search(&self, search: &Search<'_>) -> Result<Request, Error> {
        http::post(format!("{API}/objects/{}/search", self.object.as_str())).json(search)
    }
}

fn filter<'a>(property_name: &'a str, operator: &'a str, value: u64) -> Filter<'a> {
    Filter { property_name, operator, value: value.to_string() }
}
