use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header};
use sophia_domain::{SecretName, TenantId};
use url::Url;
use zeroize::Zeroizing;

use crate::{Injection, Redactor, Vault, VaultError, redactor};

/// A secret and the way it is injected. Lives as long as the connection that binds them; cheap to clone.
///
/// Holds no plaintext: each use looks the secret up, so that a rotated, rescoped or deleted
/// secret is seen by the next request.
#[derive(Clone)]
pub struct Injector {
    vault: Vault,
    tenant: TenantId,
    secret: SecretName,
    injection: Arc<Injection>,
}

/// An opened secret, for one request. Wiped when dropped.
pub struct Armed {
    secret: Zeroizing<Vec<u8>>,
    injection: Arc<Injection>,
}

/// Why a secret cannot be put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// It holds bytes that no header may hold.
    #[error("the secret holds characters that cannot stand in a header")]
    NotAHeaderValue,
    /// It is not UTF-8, which a query parameter must be.
    #[error("the secret holds bytes that cannot stand in a query")]
    NotAQueryValue,
}

impl Injector {
    pub(crate) fn new(vault: Vault, tenant: TenantId, secret: SecretName, injection: Arc<Injection>) -> Self {
        Self { vault, tenant, secret, injection }
    }

    /// Which secret it uses.
    pub fn secret(&self) -> &SecretName {
        &self.secret
    }

    /// How it is injected.
    pub fn injection(&self) -> &Injection {
        &self.injection
    }

    /// Opens the secret for a request that the operator's scope on it allows; none for another.
    /// Scope and bytes are of the same version.
    pub fn arm(&self, method: &Method, url: &Url) -> Result<Option<Armed>, VaultError> {
        let secret = self.vault.open_for(&self.tenant, &self.secret, method, url)?;
        Ok(secret.map(|secret| Armed { secret, injection: self.injection.clone() }))
    }
}

impl Armed {
    /// Puts the secret into a finished request, replacing what stood in its place.
    pub fn inject(&self, url: &mut Url, headers: &mut HeaderMap) -> Result<(), InjectError> {
        let (name, value) = match &*self.injection {
            Injection::Header { name, template } => (name, Zeroizing::new(template.fill(&self.secret))),
            Injection::Bearer => {
                (&header::AUTHORIZATION, Zeroizing::new([b"Bearer ", self.secret.as_slice()].concat()))
            }
            Injection::Basic { user } => (&header::AUTHORIZATION, basic(user, &self.secret)),
            Injection::Query { name } => {
                let text = std::str::from_utf8(&self.secret).map_err(|_| InjectError::NotAQueryValue)?;
                url.query_pairs_mut().append_pair(name, text);
                return Ok(());
            }
        };
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| InjectError::NotAHeaderValue)?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }

    /// What removes the secret from the answer.
    pub fn redactor(&self) -> Redactor {
        let pair = match &*self.injection {
            Injection::Basic { user } => Some(pair(user, &self.secret)),
            _ => None,
        };
        redactor::for_secret(&self.secret, pair.as_ref().map(|p| p.as_slice()))
    }
}

fn pair(user: &str, secret: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([user.as_bytes(), b":", secret].concat())
}

fn basic(user: &str, secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let encoded = Zeroizing::new(STANDARD.encode(pair(user, secret)));
    Zeroizing::new([b"Basic ", encoded.as_bytes()].concat())
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector").field("secret", &self.secret).field("injection", &self.injection).finish()
    }
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Armed(..)")
    }
}
