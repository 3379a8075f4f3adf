pub use crate::bindings::connector::sophia::plugin::types::{Error, UpstreamError};

impl Error {
    /// The vendor answered with this status and said this.
    pub fn upstream(status: u16, message: impl Into<String>) -> Self {
        Self::Upstream(UpstreamError { status: Some(status), message: message.into() })
    }

    /// A model's answer is not what was asked for.
    pub(crate) fn unreadable_answer(error: &serde_json::Error) -> Self {
        Self::Upstream(UpstreamError { status: None, message: format!("the answer does not fit: {error}") })
    }

    /// There is no stream of this name.
    pub fn no_stream(name: &str) -> Self {
        Self::NotFound(format!("no stream `{name}`"))
    }

    /// There is no action of this name.
    pub fn no_action(name: &str) -> Self {
        Self::NotFound(format!("no action `{name}`"))
    }
}

impl From<serde_json::Error> for Error {
    /// For JSON that the plugin itself makes. [`Json::parse`](crate::Json::parse) and
    /// [`Response::json`](crate::http::Response::json) say whose fault a bad text is.
    fn from(error: serde_json::Error) -> Self {
        Self::Other(format!("json: {error}"))
    }
}
