//! Use of secrets without holding them. There is no function that reads one.

use crate::bindings::connector::sophia::plugin::secrets;

use crate::Error;
pub use secrets::Algorithm;

/// Whether a secret stands behind this name of the manifest, for this connection.
pub fn exists(name: &str) -> bool {
    secrets::exists(name)
}

/// Signs bytes with a secret. Granted per secret, algorithm and purpose prefix.
pub fn sign(name: &str, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
    secrets::sign(name, algorithm, message)
}

/// Whether `mac` is the signature of `message`, compared in constant time by the host.
pub fn verify(name: &str, algorithm: Algorithm, message: &[u8], mac: &[u8]) -> Result<bool, Error> {
    secrets::verify(name, algorithm, message, mac)
}
