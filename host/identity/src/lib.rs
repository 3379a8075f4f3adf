//! Who calls. For now there is one role, the operator's, and one key for it.
//!
//! A key is kept only as its SHA-256: it is long and random, so a slow hash would add nothing
//! but time to each request. Users, teams and further keys come later, in this room.

mod identity;
mod operator_key;

pub use identity::{Caller, Identity, IdentityError, Role, Unauthorised};
pub use operator_key::NewKey;
