//! Runs whose patterns are written here: the room without a sandbox, against a model on a socket,
//! the real ledger and the real store.

mod journal;
mod lives;
mod worker;
mod world;
