//! Endpoint `hello`: text at `/`, JSON given back, a body sent on as it comes at `/stream`.

mod answer;
#[cfg(target_family = "wasm")]
mod wasi;
