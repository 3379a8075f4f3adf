//! The only way out: HTTP through the host's egress.
//!
//! Each request, and each redirect it leads to, must match a pattern that the manifest asked for
//! and the operator granted. The host adds credentials after the guest has let go of the request.
//!
//! ```no_run
//! # fn main() -> Result<(), sophia_sdk::Error> {
//! use sophia_sdk::http;
//!
//! let found: serde_json::Value = http::post("https://api.example.com/v1/search")
//!     .query("limit", 100)
//!     .json(&serde_json::json!({ "name": "Ada" }))?
//!     .send()?
//!     .accept()?
//!     .json()?;
//! # Ok(())
//! # }
//! ```

mod request;
mod response;

pub use request::{Request, delete, get, patch, post, put, send_all};
pub use response::{Response, StreamedResponse};
