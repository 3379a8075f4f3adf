use sophia_domain::{Digest, Problem, Step};
use sophia_sandbox::{CompileError, LoadError};
use sophia_store::StoreError;

/// Why the registry refused or failed. Uploads have [`UploadError`](crate::UploadError).
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No plugin has this name.
    #[error("there is no such plugin")]
    UnknownPlugin,
    /// The plugin has no version with this digest.
    #[error("the plugin has no version {0}")]
    UnknownVersion(Digest),
    /// There is no version to go back to.
    #[error("no other version was active before")]
    NothingBefore,
    /// The version has undecided asks.
    #[error("the version {0} is pending")]
    Pending(Digest),
    /// A grant names what the version does not ask for.
    #[error("the version does not ask for that")]
    UnknownAsk(String),
    /// No connection has this name.
    #[error("there is no such connection")]
    UnknownConnection,
    /// A connection binds what the manifest does not have.
    #[error("the manifest has no such credential or signature")]
    UnknownCredential {
        /// What was bound.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A configuration key that cannot be one.
    #[error("not a configuration key")]
    ConfigKey(String),
    /// More configuration than a connection may have.
    #[error("the configuration is too large")]
    ConfigTooLarge,
    /// The kept component is gone.
    #[error("the component {0} is missing from the store")]
    Lost(Digest),
    /// The kept component is not what its digest names.
    #[error("the component {0} was changed or damaged in the store")]
    Damaged(Digest),
    /// The kept component could not be copied.
    #[error("the component could not be copied")]
    Temporary(#[source] std::io::Error),
    /// A row that this release does not understand.
    #[error("the {what} of {digest} cannot be read")]
    Unreadable {
        /// Of which version.
        digest: Digest,
        /// Which part of it.
        what: &'static str,
    },
    /// The kept component could not be compiled again.
    #[error("the component could not be compiled again")]
    Compile(#[from] CompileError),
    /// The kept component could not be loaded.
    #[error("the component could not be loaded")]
    Load(#[from] LoadError),
    /// The store failed. Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node is going down, or the work was lost to a defect.
    #[error("the change was not carried out")]
    Abandoned,
}

impl RegistryError {
    /// The step that refused. Uploads have [their own](crate::UploadError::step).
    pub fn step(&self) -> Step {
        match self {
            Self::UnknownPlugin | Self::UnknownVersion(_) | Self::NothingBefore | Self::UnknownConnection => {
                Step::Lookup
            }
            Self::Pending(_) | Self::UnknownAsk(_) => Step::Grant,
            Self::UnknownCredential { .. } | Self::ConfigKey(_) | Self::ConfigTooLarge => Step::Connection,
            Self::Lost(_)
            | Self::Damaged(_)
            | Self::Temporary(_)
            | Self::Unreadable { .. }
            | Self::Compile(_)
            | Self::Load(_) => Step::Activate,
            Self::Store(_) | Self::Abandoned => Step::Store,
        }
    }

    /// The public answer: what was wrong and what to do.
    pub fn problem(&self) -> Problem {
        match self {
            Self::UnknownPlugin => unknown_plugin(),
            Self::UnknownVersion(digest) => unknown_version(digest),
            Self::UnknownConnection => unknown_connection(),
            Self::NothingBefore => nothing_before(),
            Self::Pending(digest) => pending(digest),
            Self::UnknownAsk(ask) => unknown_ask(ask),
            Self::UnknownCredential { given, known } => unknown_credential(given, known),
            Self::ConfigKey(key) => config_key(key),
            Self::ConfigTooLarge => config_too_large(),
            Self::Lost(_)
            | Self::Damaged(_)
            | Self::Temporary(_)
            | Self::Unreadable { .. }
            | Self::Compile(_)
            | Self::Load(_) => unusable(),
            Self::Store(_) | Self::Abandoned => not_kept(),
        }
    }
}

fn unknown_plugin() -> Problem {
    let detail = "List the plugins with `sophia plugin list`, or upload it.";
    Problem::caller(404, "unknown-plugin", "No plugin has this name", detail)
}

fn unknown_version(digest: &Digest) -> Problem {
    let detail = format!("{digest} is not kept. List what is with `sophia plugin versions`.");
    Problem::caller(404, "unknown-version", "The plugin has no such version", detail)
}

fn unknown_connection() -> Problem {
    let detail = "List the connections with `sophia connection list`, or make it with `sophia connection set`.";
    Problem::caller(404, "unknown-connection", "No connection has this name", detail)
}

fn nothing_before() -> Problem {
    let detail = "Name a version with `to`, or upload one.";
    Problem::caller(409, "nothing-to-roll-back-to", "No other version was active before", detail)
}

fn pending(digest: &Digest) -> Problem {
    let detail = format!("Decide on what {digest} asks for with `sophia plugin grant`.");
    Problem::caller(409, "version-pending", "The version has undecided asks", detail)
}

fn unknown_ask(ask: &str) -> Problem {
    let detail = format!("`{ask}` is not among its asks. They are listed at `GET /v1/plugins/{{name}}/grants`.");
    Problem::caller(422, "unknown-ask", "The version does not ask for this", detail)
}

fn unknown_credential(given: &str, known: &[String]) -> Problem {
    let detail = match known.is_empty() {
        true => format!("`{given}` cannot be bound: the plugin asks for no secrets."),
        false => format!("`{given}` cannot be bound. The plugin asks for: {}.", known.join(", ")),
    };
    Problem::caller(422, "unknown-credential", "The manifest has no such credential or signature", detail)
}

fn config_key(key: &str) -> Problem {
    let detail = format!("`{key}`: use 1 to 128 of a-z, A-Z, 0-9, `.`, `-` and `_`.");
    Problem::caller(422, "invalid-configuration", "Not a configuration key", detail)
}

fn config_too_large() -> Problem {
    let detail = "A connection holds up to 64 keys, each value up to 8 KiB.";
    Problem::caller(422, "invalid-configuration", "The configuration is too large", detail)
}

fn unusable() -> Problem {
    let detail = "Upload it again. The node's log has the cause.";
    Problem::host(500, "version-unusable", "The kept version cannot be used any more", detail)
}

fn not_kept() -> Problem {
    let detail = "Nothing was changed; try again. The node's log has the cause.";
    Problem::host(500, "store", "The node could not keep the change", detail)
}
