//! End to end: the shipped binary, real sockets, real components.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops where it fails")]

mod kill_at;
