use std::{error::Error, io, time::Duration};

use http::{HeaderName, Method};
use sophia_domain::Blame;
use sophia_vault::{InjectError, VaultError};

use crate::{BoxError, MissingKey, connector::DialError, request_body::RequestFault};

/// Why a request got no answer, or an answer broke off. The text is public: it says what to do,
/// and holds nothing of a secret, a query or what the server said. The cause is for the log.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Not a URL that can be sent to.
    #[error("the URL is malformed: write an absolute http or https URL")]
    MalformedUrl,
    /// Another scheme than http and https.
    #[error("the URL's scheme must be https or http")]
    Scheme,
    /// One of the two keys is missing.
    #[error("`{method} {url}` is not allowed: {}", missing.remedy())]
    NotAllowed {
        /// The method.
        method: Method,
        /// The URL without user, query and fragment.
        url: String,
        /// Which key.
        missing: MissingKey,
    },
    /// A user or password in the URL.
    #[error("a URL must not hold a user or password: use a credential")]
    UserInfo,
    /// A header that belongs to the connection or to the host.
    #[error("the header `{name}` cannot be set by a plugin")]
    Header {
        /// Which.
        name: HeaderName,
    },
    /// The plugin authenticates itself where a credential of the host belongs.
    #[error("`{part}` must not be set by the plugin here: the credential `{credential}` belongs to this host")]
    GuestAuthorisation {
        /// The header or query parameter.
        part: String,
        /// The credential's name in the manifest.
        credential: String,
    },
    /// A credential that is not bound.
    #[error("there is no credential `{name}`: ask for it in the manifest and bind a secret to it in the connection")]
    UnknownCredential {
        /// The name that the plugin used.
        name: String,
    },
    /// A credential that was named for a request outside of the manifest's scope for it.
    #[error("the credential `{name}` may not be sent there: its scope in the manifest does not allow it")]
    CredentialScope {
        /// Its name in the manifest.
        name: String,
    },
    /// A credential whose secret the operator gave another scope.
    #[error(
        "the credential `{name}` may not be sent there: the scope that the operator gave its secret does not allow \
         it; widen it with `sophia secret set --scope`, or bind another secret to the connection"
    )]
    SecretScope {
        /// Its name in the manifest.
        name: String,
    },
    /// The manifest's rate for a credential is used up for longer than the request may take.
    #[error("the credential `{name}` is used as often as its rate allows: try again in {} s", retry_after.as_secs() + 1)]
    RateExceeded {
        /// Its name in the manifest.
        name: String,
        /// How long until the next request may begin.
        retry_after: Duration,
    },
    /// The secret is missing or damaged.
    #[error("the credential `{name}` cannot be used: its secret is missing or damaged")]
    Credential {
        /// Its name in the manifest.
        name: String,
        /// Why.
        #[source]
        source: VaultError,
    },
    /// The secret does not fit where it should go.
    #[error("the credential `{name}` cannot be put into a request")]
    Injection {
        /// Its name in the manifest.
        name: String,
        /// Why.
        #[source]
        source: InjectError,
    },
    /// An address inside of some network.
    #[error("`{host}` is a private, local or reserved address: the operator can name it in `[egress] named`")]
    PrivateAddress {
        /// The host as written in the URL.
        host: String,
    },
    /// The name has no address.
    #[error("the name of the host cannot be resolved")]
    Resolve(#[source] BoxError),
    /// No connection.
    #[error("the host cannot be connected to")]
    Connect(#[source] BoxError),
    /// No trust.
    #[error("the host's TLS certificate or handshake was refused")]
    Tls(#[source] BoxError),
    /// The exchange took longer than it may.
    #[error("the exchange took longer than its time limit")]
    TimedOut,
    /// The body sent is larger than it may be.
    #[error("the request's body is larger than its limit")]
    RequestTooLarge,
    /// The guest's body broke off, or is not as long as it said.
    #[error("the request's body broke off")]
    RequestBroken,
    /// The body received is larger than it may be.
    #[error("the answer's body is larger than its limit")]
    ResponseTooLarge,
    /// The answer is compressed although it must not be, so that the secret could not be found in it.
    #[error("the host compressed its answer although it was asked not to")]
    Encoded,
    /// More redirects than are followed.
    #[error("the host redirects too often")]
    TooManyRedirects,
    /// A redirect to nowhere.
    #[error("the host redirects to what is no URL")]
    BadRedirect,
    /// A redirect that would need the streamed body again.
    #[error("the host redirects a streamed request: send the body whole, or handle the redirect")]
    UnrepeatableBody,
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke off or the answer was not HTTP")]
    Broken(#[source] BoxError),
}

impl EgressError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Credential { .. } | Self::Injection { .. } => Blame::Host,
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::TimedOut
            | Self::ResponseTooLarge
            | Self::Encoded
            | Self::TooManyRedirects
            | Self::BadRedirect
            | Self::Broken(_) => Blame::Upstream,
            _ => Blame::Plugin,
        }
    }
}

/// Sorts what the HTTP client says by what went wrong. Its text holds nothing of the request.
pub(crate) fn from_client(error: hyper_util::client::legacy::Error) -> EgressError {
    match (find::<DialError>(&error), find::<RequestFault>(&error)) {
        (Some(DialError::PrivateAddress { host }), _) => EgressError::PrivateAddress { host: host.clone() },
        (Some(DialError::Resolve(_)), _) => EgressError::Resolve(error.into()),
        (Some(DialError::Connect(_)), _) => EgressError::Connect(error.into()),
        (None, Some(RequestFault::TooLarge)) => EgressError::RequestTooLarge,
        (None, Some(RequestFault::Broken)) => EgressError::RequestBroken,
        (None, None) if find::<rustls::Error>(&error).is_some() => EgressError::Tls(error.into()),
        (None, None) if error.is_connect() => EgressError::Connect(error.into()),
        (None, None) => EgressError::Broken(error.into()),
    }
}

impl From<DialError> for EgressError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::PrivateAddress { host } => Self::PrivateAddress { host },
            DialError::Resolve(source) => Self::Resolve(source.into()),
            DialError::Connect(source) => Self::Connect(source.into()),
        }
    }
}

/// A cause of some type. An `io::Error` that wraps another error hides it from `source`, so those
/// are opened on the way.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error
        .downcast_ref()
        .or_else(|| wrapped.and_then(|wrapped| find(wrapped)))
        .or_else(|| error.source().and_then(|source| find(source)))
}
