//! What is counted before it is used. Here: how often a credential may be used.
//!
//! [`RateWindows`] hands out one [`RateWindow`] for each credential of a connection; egress takes
//! a place in it before each request. The windows live in this process: a restart forgets them.
//! Nothing here waits or opens a connection; whoever takes a place waits for its time.

mod window;
mod windows;

pub use window::{RateExceeded, RateWindow};
pub use windows::{RateKey, RateWindows};
