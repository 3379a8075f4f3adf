//! Memory that outlives a call, in namespaces that the manifest asks for and the operator grants.

use crate::{Error, Json, bindings::pattern::sophia::plugin::memory as wit};

pub use wit::Fact;

/// A stored item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// Its key within the namespace.
    pub key: String,
    /// Its text.
    pub text: String,
    /// A JSON object of whatever the writer wants to filter by.
    pub metadata: Json,
}

/// An item that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The item.
    pub item: Item,
    /// Higher is nearer. Comparable within one answer only.
    pub score: f32,
}

/// Reads an item.
pub fn get(namespace: &str, key: &str) -> Result<Item, Error> {
    wit::get(namespace, key).map(Item::from)
}

/// Writes an item, in place of one with the same key.
pub fn put(namespace: &str, item: Item) -> Result<(), Error> {
    wit::put(namespace, &item.into())
}

/// Removes an item. Removing what is not there is no error.
pub fn delete(namespace: &str, key: &str) -> Result<(), Error> {
    wit::delete(namespace, key)
}

/// Finds the `k` items nearest to a query, by meaning and by words. At most 100.
pub fn search(namespace: &str, query: &str, k: u32, filter: Option<&Json>) -> Result<Vec<Hit>, Error> {
    let hits = wit::search(namespace, query, k, filter.map(Json::as_str))?;
    Ok(hits.into_iter().map(|hit| Hit { item: hit.item.into(), score: hit.score }).collect())
}

/// The facts about a subject.
pub fn facts(namespace: &str, subject: &str) -> Result<Vec<Fact>, Error> {
    wit::facts(namespace, subject)
}

impl From<wit::Item> for Item {
    fn from(item: wit::Item) -> Self {
        Self { key: item.key, text: item.text, metadata: Json::from_text(item.metadata) }
    }
}

impl From<Item> for wit::Item {
    fn from(item: Item) -> Self {
        Self { key: item.key, text: item.text, metadata: item.metadata.into_text() }
    }
}
