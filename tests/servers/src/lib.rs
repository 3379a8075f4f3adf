//! Real servers for tests: each in a temporary directory, reached through a Unix socket in it, and
//! stopped when dropped. Nothing listens on a port.

mod account;
mod postgres;
mod redis;
mod server;

pub use postgres::Postgres;
pub use redis::Redis;
