//! The only room that opens a connection for a plugin.
//!
//! [`Egress::send`] is the life of a request that leaves the node: both keys, no authorisation of
//! the plugin's own, a vetted address, the credential, bounds in time and size, redirects from the
//! start again, and nothing of a secret in what comes back. It holds no secret itself (the vault
//! arms one request at a time) and counts nothing (the ledger's windows say when a request may begin).

mod address;
mod connector;
mod egress;
mod error;
mod headers;
mod hop;
mod inbound;
mod outbound;
mod redirect;
mod request_body;
mod rights;
mod routes;
mod tls;

pub use address::is_public;
pub use egress::Egress;
pub use error::EgressError;
pub use inbound::InboundBody;
pub use outbound::{BoxError, Outbound, OutboundBody, Redirects};
pub use rights::{Credential, MissingKey, Rights};
pub use routes::{EgressConfig, EgressConfigError};
