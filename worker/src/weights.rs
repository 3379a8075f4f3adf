//! The files that the models are made of: which, how large, and with which digest.
//!
//! A file is read whole and its digest taken from the bytes that are then used, so that what was
//! checked is what runs. Nothing here fetches: see [`crate::pull`].

mod file;
mod table;

pub(crate) use file::{FileError, is_whole, read, sha256};
pub(crate) use table::{
    Archive, CHAT_WEIGHTS, EMBEDDING_CONFIG, EMBEDDING_TOKENIZER, EMBEDDING_WEIGHTS, PACKAGES, Package, WeightFile,
};
