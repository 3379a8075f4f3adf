//! Connector `hubspot`.
