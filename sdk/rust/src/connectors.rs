//! Other plugins' connections, where the manifest asks for the connector and it is granted.

use crate::{Error, Json, bindings::pattern::sophia::plugin::connectors as wit};

/// Records of a stream and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// One JSON object a record.
    pub items: Vec<Json>,
    /// Cursor for the next call, none when the stream is read to its end.
    pub next: Option<Json>,
}

/// Runs an action of a connection, named `connector/connection`.
pub fn invoke(connection: &str, action: &str, arguments: &Json) -> Result<Json, Error> {
    wit::invoke(connection, action, arguments.as_str()).map(Json::from_text)
}

/// Reads a page of a stream of a connection, from a cursor or from the start.
pub fn read(connection: &str, stream: &str, cursor: Option<&Json>) -> Result<Records, Error> {
    let records = wit::read(connection, stream, cursor.map(Json::as_str))?;
    Ok(Records {
        items: records.items.into_iter().map(Json::from_text).collect(),
        next: records.next.map(Json::from_text),
    })
}
