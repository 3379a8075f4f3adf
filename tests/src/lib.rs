//! Starts the real `sophia` binary on a free port and talks to it as people do.
//!
//! ```no_run
//! # async fn example() {
//! let node = sophia_tests::Setup::new().start().await;
//! node.deploy("hello", &sophia_tests::guest("hello")).await;
//! assert_eq!(node.get("/x/hello/").await.status, 200);
//! node.stop().await;
//! # }
//! ```
//!
//! A harness has no caller who could handle an error: it panics, and says what it did.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops where it fails")]

mod cli;
mod client;
mod component;
mod kill;
mod node;
mod paths;
mod reply;
mod setup;
mod soak;
mod worker;

pub use client::{Caller, page_items};
pub use component::{variant, with_manifest, without_manifest};
pub use kill::{KillSwitch, Write};
pub use node::Node;
pub use paths::{guest, has_guest, sophia};
pub use reply::Reply;
pub use setup::{DataDir, Setup};
pub use soak::{count, is_soak};
pub use worker::{Worker, openai_python, weights};
