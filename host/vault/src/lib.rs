//! The only room that holds a secret's plaintext.
//!
//! Secrets rest sealed, in the store and in memory alike, and are opened for one request at a
//! time. The vault hands out what uses a secret (an [`Injector`], a [`Redactor`], a verdict on a
//! signature) and has no function that gives one back. What a secret may be sent to is sealed
//! with it: the operator's key of the two.

mod injection;
mod injector;
mod master_key;
mod redactor;
mod seal;
mod secret_value;
mod signature;
mod vault;

pub use injection::{Injection, InjectionError, Template};
pub use injector::{Armed, InjectError, Injector};
pub use master_key::{MasterKey, MasterKeyError};
pub use redactor::{RedactStream, Redactor};
pub use secret_value::{SecretValue, SecretValueError};
pub use signature::Algorithm;
pub use vault::{SecretEntry, Vault, VaultError};
