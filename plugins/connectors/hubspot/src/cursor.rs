use serde::{Deserialize, Serialize};

use crate::recent::Recent;

/// Where a read of records goes on. It says which phase a read is in; times are milliseconds
/// since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Cursor {
    /// All records, by id.
    List {
        /// HubSpot's own cursor, none for the first page.
        after: Option<String>,
        /// Where changes are read from when the list is read.
        from: u64,
        /// What was read already of what was changed after `from`.
        #[serde(default)]
        recent: Recent,
    },
    /// What changed after a moment, in the order of change.
    Changes {
        /// Everything that was changed until then, that moment included, is read.
        from: u64,
        /// Until when HubSpot's index was complete as this pass began. None before it begins.
        #[serde(default)]
        settled: Option<u64>,
        /// What was read already of what was changed after `from`.
        #[serde(default)]
        recent: Recent,
    },
    /// What changed at one moment, by id. More than a page, or paging by time would do.
    Moment {
        /// The moment.
        at: u64,
        /// Ids until this one are read.
        above: u64,
        /// As in `changes`.
        settled: u64,
        /// As in `changes`.
        #[serde(default)]
        recent: Recent,
    },
}
