//! Who calls, and what they may do.
//!
//! A caller is recognised by a key: the operator's, which may everything and is given by the
//! environment or made at the first start, or one that was made with a name, rights and an end.
//! A key is kept only as its SHA-256: it is long and random, so a slow hash would add nothing but
//! time to each request. Words of permissions are joined by dots, those of secrets too. A right is a
//! permission in an environment for a resource; grants name rights and no roles, so roles make no loops.
//! Users, teams and sign-in come later, in this room.

pub mod audit;
mod decision;
mod grant;
mod identity;
mod key;
mod keys;
mod permission;
mod resource;
mod rights;

pub use decision::{Ask, Excess, Lacking, May, PluginRights, Refused, decide, effective};
pub use grant::{Environments, Grant, GrantsError, MAX_GRANTS, MAX_RESOURCES};
pub use identity::{Caller, Forbidden, Identity, IdentityError, Unauthorised};
pub use key::NewKey;
pub use keys::{KeyEntry, KeyError};
pub use permission::{NoPermission, Permission, Permissions};
pub use resource::{Kind, Resource, ResourceError, ResourcePattern};
pub use rights::{Rights, Role};
