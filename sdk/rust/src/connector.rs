use serde::Serialize;

use crate::{Description, Error, Json};

pub use crate::bindings::connector::exports::sophia::plugin::connector_calls::WebhookRequest;

/// Reads and acts on somebody's API, always for one connection. Export it with
/// [`connector!`](crate::connector!). What a connector does not implement answers that there is
/// no such thing.
pub trait Connector {
    /// What the connector offers. Pure: the same for the same version, and no capability is
    /// there while it runs.
    fn describe() -> Description;

    /// Tries the connection: cheap, changes nothing. If it succeeds, later calls should too.
    fn check() -> Result<(), Error> {
        Err(Error::Unavailable("this connector has no check".to_owned()))
    }

    /// Reads a page of a stream. Without a cursor it starts at the beginning. `limit` is the
    /// most items wanted; fewer may come.
    fn read(stream: &str, cursor: Option<Json>, limit: u32) -> Result<Page, Error> {
        let _ = (cursor, limit);
        Err(Error::no_stream(stream))
    }

    /// Performs an action. Whether calling twice acts twice is the vendor's rule, and the
    /// operation's summary says so.
    fn act(action: &str, arguments: Json) -> Result<Json, Error> {
        let _ = arguments;
        Err(Error::no_action(action))
    }

    /// Takes a webhook. [`Error::Denied`] means that it is not genuine; the host then drops it.
    fn webhook(request: WebhookRequest) -> Result<WebhookOutcome, Error> {
        let _ = request;
        Err(Error::Unavailable("this connector takes no webhooks".to_owned()))
    }
}

/// Records and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// One JSON object a record.
    pub items: Vec<Json>,
    /// Cursor for the next call. The host stores it only after the items are stored.
    pub next: Option<Json>,
    /// Whether the stream has more right now. With false, `next` is where a later, incremental
    /// read goes on.
    pub more: bool,
}

impl Page {
    /// A page after which there is more, from `cursor` on.
    pub fn followed_by<C: Serialize>(items: Vec<Json>, cursor: &C) -> Result<Self, Error> {
        Ok(Self { items, next: Some(Json::of(cursor)?), more: true })
    }

    /// The last page for now. A later read goes on at `cursor`.
    pub fn last<C: Serialize>(items: Vec<Json>, cursor: &C) -> Result<Self, Error> {
        Ok(Self { items, next: Some(Json::of(cursor)?), more: false })
    }
}

/// What to do with a webhook that was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookOutcome {
    /// Events it carried, one JSON object each.
    pub events: Vec<Json>,
    /// What to answer the vendor; empty where nothing is expected.
    pub reply: String,
}

impl WebhookRequest {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Exports a type that implements [`Connector`] as the plugin. Once in a crate.
#[macro_export]
macro_rules! connector {
    ($plugin:ty) => {
        const _: fn() -> $crate::Description = <$plugin as $crate::Connector>::describe;

        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "the component model's exports, generated")]
        const _: () = {
            type Exported = $crate::shell::Shell<$plugin>;
    $crate::bindings::connector::export_connector!(Exported with_types_in $crate::bindings::connector);
            $crate::__getrandom!();
        };
    };
}

/// Without its flag, getrandom does not look for anything.
#[cfg(not(all(target_family = "wasm", getrandom_backend = "custom")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __getrandom {
    () => {};
}
