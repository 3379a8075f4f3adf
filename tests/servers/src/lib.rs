//! Real servers for tests: each in a temporary directory, reached through a Unix socket in it, and
//! stopped when dropped. Nothing listens on a port.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where it fails")]

mod account;
mod link;
mod postgres;
mod redis;
mod server;

pub use link::Link;
pub use postgres::Postgres;
pub use redis::Redis;
