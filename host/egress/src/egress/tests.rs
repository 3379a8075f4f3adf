//! The way out on real sockets: each test has its own vault, its own servers on port 0.

mod bounds;
mod credentials;
mod pacing;
mod redaction;
mod redirects;
mod refusals;
mod server;
mod tls;
mod world;
