use serde::{Deserialize, Serialize};

/// A step in the life of a request or of an upload, as problem documents name it. In their order.
///
/// The words are part of the API: a caller may act on them, so none is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A request's head is read.
    Head,
    /// Its path and method find a route.
    Route,
    /// Its key says who asks.
    Identify,
    /// What it says is read: names in the path, the query, the body, the arguments.
    Request,
    /// What it names is found: a plugin, a version, a connection, a stream, an action, a secret.
    Lookup,
    /// The grants, the operator's scopes and the plugin itself allow it.
    Right,
    /// It gets a place among what runs.
    Admission,
    /// A sandbox is made for it.
    Instance,
    /// The plugin runs.
    Call,
    /// What there is to say is checked and written.
    Reply,

    /// The operator decides on asks.
    Grant,
    /// A connection is compared with its connector's manifest.
    Connection,
    /// The vault keeps a secret, or forgets it.
    Secret,

    /// An upload comes in, bounded and hashed.
    Receive,
    /// It is a component.
    Validate,
    /// It implements a world.
    World,
    /// Its manifest is read and fits it.
    Manifest,
    /// Who signed it.
    Signature,
    /// It becomes machine code, in a child process.
    Compile,
    /// Its imports are what its world may have.
    Link,
    /// It says what it offers.
    Describe,
    /// Its asks are compared with the grants and with the running version.
    Diff,
    /// It is kept. Where any change to rows and blobs can fail.
    Store,
    /// It answers.
    Activate,
}

impl Step {
    /// The word used in answers and problem documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Route => "route",
            Self::Identify => "identify",
            Self::Request => "request",
            Self::Lookup => "lookup",
            Self::Right => "right",
            Self::Admission => "admission",
            Self::Instance => "instance",
            Self::Call => "call",
            Self::Reply => "reply",
            Self::Grant => "grant",
            Self::Connection => "connection",
            Self::Secret => "secret",
            Self::Receive => "receive",
            Self::Validate => "validate",
            Self::World => "world",
            Self::Manifest => "manifest",
            Self::Signature => "signature",
            Self::Compile => "compile",
            Self::Link => "link",
            Self::Describe => "describe",
            Self::Diff => "diff",
            Self::Store => "store",
            Self::Activate => "activate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_word() {
        for step in [Step::Head, Step::Lookup, Step::Connection, Step::Activate] {
            assert_eq!(serde_json::to_value(step).unwrap(), step.as_str());
        }
    }
}
