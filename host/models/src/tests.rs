//! Whole calls: a worker on a socket that speaks vLLM's dialect and fails as told, the real way
//! out, the real ledger.

mod budgets;
mod cuts;
mod embeddings;
mod fallback;
mod plain;
mod plugins;
mod policy;
mod streams;
mod worker;
mod world;
