//! Servers that behave like what Sophia talks to: a vendor's API, an OpenTelemetry collector.
//!
//! A stand-in keeps state and refuses whatever the real thing refuses; each rule names the page it
//! comes from. It runs in the caller's process on a free loopback port and stops when dropped.
//! Time is a [`Clock`], so that nobody sleeps. For tests and the demo only.

mod authority;
mod clock;
mod site;

pub mod hubspot;
pub mod otlp;

pub use authority::Authority;
pub use clock::Clock;
pub use site::{Answer, Seen, Site, SiteError, Tls};
