//! Who calls, and what they may do.
//!
//! A caller is recognised by a key: the operator's, which may everything and is given by the
//! environment or made at the first start, or one that was made with a name, rights and an end.
//! A key is kept only as its SHA-256: it is long and random, so a slow hash would add nothing but
//! time to each request. Words of permissions are joined by dots, those of secrets too.
//! Users, teams and sign-in come later, in this room.

pub mod audit;
mod identity;
mod key;
mod keys;
mod permission;
mod rights;

pub use identity::{Caller, Forbidden, Identity, IdentityError, Unauthorised};
pub use key::NewKey;
pub use keys::{KeyEntry, KeyError};
pub use permission::{NoPermission, Permission, Permissions};
pub use rights::{Rights, Role};
