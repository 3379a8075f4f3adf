//! Use of secrets without holding them. Signing comes with its own grants; until then it says so.

use sophia_domain::SecretName;
use wasmtime::Result;

use crate::{
    bindings::sophia::plugin::{
        secrets::{Algorithm, Host},
        types::Error,
    },
    guest::Guest,
};

impl Host for Guest {
    fn exists(&mut self, name: String) -> Result<bool> {
        self.host_call()?;
        let call = &self.call;
        Ok(call.secrets.bound.get(&name).is_some_and(|secret| self.engines.ports.vault.exists(&call.tenant, secret)))
    }

    fn sign(&mut self, _: String, _: Algorithm, _: Vec<u8>) -> Result<Result<Vec<u8>, Error>> {
        self.host_call()?;
        Ok(Err(Error::Unavailable("secrets.sign is not available on this node".into())))
    }

    fn verify(
        &mut self,
        name: String,
        algorithm: Algorithm,
        message: Vec<u8>,
        mac: Vec<u8>,
    ) -> Result<Result<bool, Error>> {
        self.host_call()?;
        Ok(self.verified(&name, to_vault(algorithm), &message, &mac))
    }
}

impl Guest {
    fn verified(
        &self,
        name: &str,
        algorithm: sophia_vault::Algorithm,
        message: &[u8],
        mac: &[u8],
    ) -> Result<bool, Error> {
        let secret = self.verifying_secret(name, algorithm)?;
        let vault = &self.engines.ports.vault;
        // The vault's reason stays in the log: a guest learns no more than that it failed.
        vault.verify(&self.call.tenant, secret, algorithm, message, mac).map_err(|error| {
            tracing::warn!(plugin = %self.call.plugin, secret = %secret, %error, "a signature could not be checked");
            Error::Unavailable(format!("the secret behind `{name}` cannot be used"))
        })
    }

    fn verifying_secret(&self, name: &str, algorithm: sophia_vault::Algorithm) -> Result<&SecretName, Error> {
        let secrets = &self.call.secrets;
        if !secrets.verify.iter().any(|(granted, with)| granted == name && *with == algorithm) {
            return Err(Error::Denied(format!("no grant to verify with `{name}` and this algorithm")));
        }
        secrets.bound.get(name).ok_or_else(|| Error::NotFound(format!("no secret is bound to `{name}`")))
    }
}

fn to_vault(algorithm: Algorithm) -> sophia_vault::Algorithm {
    match algorithm {
        Algorithm::HmacSha256 => sophia_vault::Algorithm::HmacSha256,
        Algorithm::HmacSha512 => sophia_vault::Algorithm::HmacSha512,
        Algorithm::HmacSha1 => sophia_vault::Algorithm::HmacSha1,
    }
}
