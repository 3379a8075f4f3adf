use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use sophia_domain::{Scope, SecretName, TenantId};
use sophia_store::{Store, StoreError, secrets::SecretRow};
use subtle::ConstantTimeEq;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    Algorithm, Injection, Injector, MasterKey, SecretValue,
    seal::{Place, Sealer},
};

/// All secrets of one environment, sealed. Opened once at boot; cheap to clone.
///
/// Reads never wait: they go to a snapshot that each write replaces after its commit.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    store: Store,
    environment: String,
    master: MasterKey,
    sealer: Sealer,
    secrets: ArcSwap<Secrets>,
}

type Secrets = HashMap<(TenantId, SecretName), Arc<Secret>>;

/// One secret as it rests in memory: sealed.
struct Secret {
    row: SecretRow,
    /// None where the stored scope cannot be read; such a secret is never opened.
    scope: Option<Scope>,
}

/// What may be told about a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretEntry {
    /// Its name.
    pub name: SecretName,
    /// Counts its writes.
    pub version: u32,
    /// What it may be sent to, in the operator's words.
    pub scope: Scope,
    /// The environment that may use it.
    pub environment: String,
    /// When this version was written.
    pub updated_at: Timestamp,
}

/// How the vault failed. No variant holds anything of a secret but its name.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The data directory was sealed under another master key.
    #[error("the secrets in this data directory were sealed under another master key: give the node that one")]
    WrongMasterKey,
    /// There is no secret of this name in this tenant and environment.
    #[error("there is no secret `{0}`: set it first")]
    Unknown(SecretName),
    /// The stored secret was changed or damaged. What is stored was left as it is.
    #[error("the stored secret `{0}` cannot be unsealed: set it again")]
    Unsealable(SecretName),
    /// Somebody else kept writing the same secret.
    #[error("the secret `{0}` was being changed by somebody else: try again")]
    Contended(SecretName),
    /// Sealing failed, for lack of randomness.
    #[error("the secret cannot be sealed")]
    Seal,
    /// The store failed. Nothing was changed.
    #[error("the secrets cannot be read or written")]
    Store(#[from] StoreError),
}

/// Where the proof of the master key rests. Not the key, and nothing from which it follows.
const KEY_CHECK: &str = "vault.key-check";

/// Two writers of one name take turns; more rounds than this means something is wrong.
const MAX_ATTEMPTS: usize = 8;

impl Vault {
    /// Reads the sealed secrets of an environment. Refuses a master key that is not the one they
    /// were sealed under; a single damaged secret is logged, and only its use fails.
    pub async fn open(store: Store, environment: &str, master: MasterKey) -> Result<Self, VaultError> {
        check_master_key(&store, &master).await?;
        let sealer = Sealer::new(&master.derive("vault.seal")).map_err(|_| VaultError::Seal)?;
        let rows = store.secrets(environment).await?;
        let secrets = rows.into_iter().map(|row| (key(&row), Arc::new(Secret::read(row)))).collect::<Secrets>();
        for secret in secrets.values().filter(|secret| secret.is_kept()) {
            if secret.scope.is_none() {
                tracing::error!(tenant = %secret.row.tenant, secret = %secret.row.name, "a stored secret's scope cannot be read");
            }
            if sealer.open(secret.place(), secret.row.sealed.as_deref().unwrap_or_default()).is_err() {
                tracing::error!(tenant = %secret.row.tenant, secret = %secret.row.name, "a stored secret cannot be unsealed");
            }
        }
        let secrets = ArcSwap::from_pointee(secrets);
        Ok(Self(Arc::new(Inner { store, environment: environment.to_owned(), master, sealer, secrets })))
    }

    /// Reads what other nodes wrote.
    pub async fn refresh(&self) -> Result<(), VaultError> {
        let rows = self.0.store.secrets(&self.0.environment).await?;
        let read: Vec<_> = rows.into_iter().map(|row| Arc::new(Secret::read(row))).collect();
        self.show(&read);
        Ok(())
    }

    /// Keeps a secret, in place of an earlier one of the name. Its scope says what it may ever be
    /// sent to; an empty one lets it only verify signatures. Acknowledged when it is durable;
    /// dropping the future leaves the old or the new version, whole.
    pub async fn set(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        value: SecretValue,
        scope: Scope,
    ) -> Result<SecretEntry, VaultError> {
        let scope_json = serde_json::to_string(&scope).map_err(|_| VaultError::Seal)?;
        for _ in 0..MAX_ATTEMPTS {
            let mut row = self.next_row(tenant, name, scope_json.clone());
            let sealed = self.0.sealer.seal(place(&row), value.as_bytes()).map_err(|_| VaultError::Seal)?;
            row.sealed = Some(sealed);
            if self.write(&row).await? {
                return Ok(SecretEntry {
                    name: row.name,
                    version: row.version,
                    scope,
                    environment: row.environment,
                    updated_at: row.updated_at,
                });
            }
        }
        Err(VaultError::Contended(name.clone()))
    }

    /// Removes a secret; false where there was none. Whatever uses it fails from then on.
    pub async fn delete(&self, tenant: &TenantId, name: &SecretName) -> Result<bool, VaultError> {
        for _ in 0..MAX_ATTEMPTS {
            if !self.exists(tenant, name) {
                return Ok(false);
            }
            if self.write(&self.next_row(tenant, name, "[]".to_owned())).await? {
                return Ok(true);
            }
        }
        Err(VaultError::Contended(name.clone()))
    }

    /// What a tenant has, by name.
    pub fn list(&self, tenant: &TenantId) -> Vec<SecretEntry> {
        let secrets = self.0.secrets.load();
        let own = secrets.values().filter(|secret| secret.row.tenant == *tenant && secret.is_kept());
        let mut entries: Vec<_> = own.map(|secret| secret.entry()).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    /// Whether there is a secret of this name.
    pub fn exists(&self, tenant: &TenantId, name: &SecretName) -> bool {
        self.find(tenant, name).is_ok()
    }

    /// What injects a secret into requests. The secret is looked up at each use, so it need not
    /// exist yet.
    pub fn injector(&self, tenant: &TenantId, secret: &SecretName, injection: &Injection) -> Injector {
        Injector::new(self.clone(), tenant.clone(), secret.clone(), Arc::new(injection.clone()))
    }

    /// Whether `mac` is the signature of `message` under a secret, compared in constant time.
    pub fn verify(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        algorithm: Algorithm,
        message: &[u8],
        mac: &[u8],
    ) -> Result<bool, VaultError> {
        let secret = self.find(tenant, name)?;
        let secret = self.unseal(&secret)?;
        Ok(algorithm.verifies(&secret, message, mac))
    }

    /// A key of this installation for one purpose, such as the MAC of compiled files.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        *self.0.master.derive(&format!("purpose.{purpose}"))
    }

    /// The plaintext for a request that the operator's scope allows; none for another.
    pub(crate) fn open_for(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        method: &Method,
        url: &Url,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let secret = self.find(tenant, name)?;
        let scope = secret.scope.as_ref().ok_or_else(|| VaultError::Unsealable(name.clone()))?;
        if !scope.allows(method, url) {
            return Ok(None);
        }
        self.unseal(&secret).map(Some)
    }

    fn find(&self, tenant: &TenantId, name: &SecretName) -> Result<Arc<Secret>, VaultError> {
        let secrets = self.0.secrets.load();
        let secret = secrets.get(&(tenant.clone(), name.clone())).filter(|secret| secret.is_kept());
        secret.cloned().ok_or_else(|| VaultError::Unknown(name.clone()))
    }

    fn unseal(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let sealed = secret.row.sealed.as_deref().unwrap_or_default();
        self.0.sealer.open(secret.place(), sealed).map_err(|_| VaultError::Unsealable(secret.row.name.clone()))
    }

    /// The row that follows what is known of a secret, not sealed yet.
    fn next_row(&self, tenant: &TenantId, name: &SecretName, scope_json: String) -> SecretRow {
        let known = self.0.secrets.load().get(&(tenant.clone(), name.clone())).map_or(0, |secret| secret.row.version);
        SecretRow {
            tenant: tenant.clone(),
            environment: self.0.environment.clone(),
            name: name.clone(),
            version: known.saturating_add(1),
            scope_json,
            sealed: None,
            updated_at: Timestamp::now(),
        }
    }

    /// Writes a row and shows it to readers. False where another writer was first: then what that
    /// one wrote is shown, and the caller tries again on top of it.
    async fn write(&self, row: &SecretRow) -> Result<bool, VaultError> {
        let is_written = self.0.store.put_secret(row).await?;
        let current = match is_written {
            true => Some(row.clone()),
            false => self.0.store.secret(&row.tenant, &row.environment, &row.name).await?,
        };
        if let Some(current) = current {
            self.show(&[Arc::new(Secret::read(current))]);
        }
        Ok(is_written)
    }

    /// Versions only grow, so writers may arrive here in any order.
    fn show(&self, read: &[Arc<Secret>]) {
        self.0.secrets.rcu(|secrets| {
            let mut secrets = Secrets::clone(secrets);
            for secret in read {
                let shown = secrets.entry(key(&secret.row)).or_insert_with(|| secret.clone());
                if shown.row.version < secret.row.version {
                    *shown = secret.clone();
                }
            }
            secrets
        });
    }
}

impl Secret {
    fn read(row: SecretRow) -> Self {
        let scope = serde_json::from_str(&row.scope_json).ok();
        Self { row, scope }
    }

    fn is_kept(&self) -> bool {
        self.row.sealed.is_some()
    }

    fn place(&self) -> Place<'_> {
        place(&self.row)
    }

    fn entry(&self) -> SecretEntry {
        SecretEntry {
            name: self.row.name.clone(),
            version: self.row.version,
            scope: self.scope.clone().unwrap_or_default(),
            environment: self.row.environment.clone(),
            updated_at: self.row.updated_at,
        }
    }
}

async fn check_master_key(store: &Store, master: &MasterKey) -> Result<(), VaultError> {
    let expected = master.derive(KEY_CHECK);
    store.put_setting_once(&TenantId::main(), KEY_CHECK, expected.as_slice()).await?;
    let kept = store.setting(&TenantId::main(), KEY_CHECK).await?.unwrap_or_default();
    if bool::from(kept.ct_eq(expected.as_slice())) { Ok(()) } else { Err(VaultError::WrongMasterKey) }
}

fn key(row: &SecretRow) -> (TenantId, SecretName) {
    (row.tenant.clone(), row.name.clone())
}

fn place(row: &SecretRow) -> Place<'_> {
    Place {
        tenant: row.tenant.as_str(),
        environment: &row.environment,
        name: row.name.as_str(),
        version: row.version,
        scope_json: &row.scope_json,
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("environment", &self.0.environment).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
