//! The keys of callers: made, replaced, revoked; and the table that each request is looked up in.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use sophia_domain::{Environment, KeyId, TenantId};
use sophia_store::{
    Store, StoreError,
    keys::{KeyHashRow, KeyRow, KeyTable},
};

use crate::{
    Caller, Excess, GrantsError, Identity, May, NewKey, Rights, Unauthorised,
    key::{KEY_PREFIX, KeyHash},
};

/// A key as it may be shown: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyEntry {
    /// Its name. Money is spent under it.
    pub name: String,
    /// What it may do, as it was said.
    pub rights: Rights,
    /// When it was made.
    pub created_at: Timestamp,
    /// By which key.
    pub created_by: String,
    /// None where it never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// None while it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Why a key cannot be made or changed. Nothing was, but perhaps where the node stopped.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Another form of name.
    #[error("a key is named by 1 to 64 of a-z, 0-9, `-` and `_`, and neither `operator` nor `public`")]
    Name,
    /// The name is taken, maybe by a revoked key, whose budget nobody may inherit.
    #[error("there is or was a key `{0}`: take another name")]
    Taken(KeyId),
    /// There is no such key, or it is revoked.
    #[error("there is no key `{0}` that could be changed")]
    Unknown(KeyId),
    /// It would expire before it is made.
    #[error("the key would have expired already")]
    Past,
    /// Nobody gives what they do not have.
    #[error("you cannot give what your own key does not have: {0}")]
    Beyond(Excess),
    /// More rights than are checked in a moment.
    #[error(transparent)]
    Grants(#[from] GrantsError),
    /// The system has no randomness.
    #[error("the system gave no random bytes")]
    Random,
    /// The store failed.
    #[error("the key cannot be kept")]
    Store(#[from] StoreError),
    /// The node is stopping.
    #[error("the node stopped while it changed a key")]
    Stopped,
    /// What is stored cannot be read.
    #[error("the stored rights of a key are damaged")]
    Damaged,
}

/// All keys that can be used, by their hash, and all that there are, by their name.
#[derive(Default)]
pub(crate) struct Keys {
    by_hash: HashMap<[u8; 32], Known>,
    entries: Vec<(TenantId, KeyEntry)>,
}

struct Known {
    caller: Caller,
    until: Option<Timestamp>,
}

const MAX_NAME: usize = 64;

/// What else money is spent under.
const RESERVED: [&str; 2] = ["operator", "public"];

impl Keys {
    pub(crate) fn of(table: KeyTable, environment: Environment) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        let mut callers = HashMap::new();
        for row in table.keys {
            let rights: Rights = serde_json::from_str(&row.rights_json).map_err(|_| KeyError::Damaged)?;
            let may = May::of(rights.grants());
            let caller = Caller { tenant: row.tenant.clone(), key: row.name.clone(), may, environment };
            callers.insert((row.tenant.clone(), row.name.clone()), (caller, row.expires_at));
            keys.entries.push((row.tenant.clone(), entry(row, rights)));
        }
        for KeyHashRow { hash, tenant, key, expires_at } in table.hashes {
            let Some((caller, key_until)) = callers.get(&(tenant, key)) else { continue };
            // The earlier of the two, where there are two.
            let until = [*key_until, expires_at].into_iter().flatten().min();
            keys.by_hash.insert(hash, Known { caller: caller.clone(), until });
        }
        Ok(keys)
    }

    /// Whose key has this hash. Looking up a hash of 256 bits tells nothing about a key by its time.
    pub(crate) fn caller(&self, hash: &KeyHash) -> Result<Caller, Unauthorised> {
        let known = self.by_hash.get(hash.as_bytes()).ok_or(Unauthorised::Wrong)?;
        match known.until {
            Some(until) if until <= Timestamp::now() => Err(Unauthorised::Expired),
            _ => Ok(known.caller.clone()),
        }
    }
}

impl Identity {
    /// The keys of a tenant by name, revoked ones too.
    pub fn keys(&self, tenant: &TenantId) -> Vec<KeyEntry> {
        let keys = self.0.keys.load();
        keys.entries.iter().filter(|(own, _)| own == tenant).map(|(_, entry)| entry.clone()).collect()
    }

    /// Makes a key that may do no more than `by`. It can be used when this returns.
    pub async fn create_key(
        &self,
        by: &Caller,
        name: &str,
        rights: Rights,
        expires_at: Option<Timestamp>,
    ) -> Result<(NewKey, KeyEntry), KeyError> {
        check_name(name)?;
        let created_at = Timestamp::now();
        if expires_at.is_some_and(|at| at <= created_at) {
            return Err(KeyError::Past);
        }
        rights.check()?;
        by.may.gives(&May::of(rights.grants())).map_err(KeyError::Beyond)?;
        let key = NewKey::generate(KEY_PREFIX).ok_or(KeyError::Random)?;
        let row = KeyRow {
            tenant: by.tenant.clone(),
            name: name.into(),
            rights_json: serde_json::to_string(&rights).map_err(|_| KeyError::Damaged)?,
            created_at,
            created_by: by.key.clone(),
            expires_at,
            revoked_at: None,
        };
        let (kept, hash) = (row.clone(), KeyHash::of(key.reveal().as_bytes()));
        let change = async move |store: Store| store.put_key(&kept, hash.as_bytes()).await;
        if !self.change(change).await? {
            return Err(KeyError::Taken(row.name));
        }
        Ok((key, entry(row, rights)))
    }

    /// Gives a key another secret part under the same name. The one before can be used until
    /// `old_until`, so that both sides need not change in the same moment.
    pub async fn rotate_key(&self, by: &Caller, name: &str, old_until: Timestamp) -> Result<NewKey, KeyError> {
        // Whoever holds the new secret part may do what the key may. What it may never changes.
        let entry = self.keys(&by.tenant).into_iter().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| KeyError::Unknown(name.into()))?;
        by.may.gives(&May::of(entry.rights.grants())).map_err(KeyError::Beyond)?;
        let key = NewKey::generate(KEY_PREFIX).ok_or(KeyError::Random)?;
        let hash = KeyHash::of(key.reveal().as_bytes());
        let (tenant, id) = (by.tenant.clone(), KeyId::from(name));
        let change = async move |store: Store| store.rotate_key(&tenant, &id, hash.as_bytes(), old_until).await;
        if self.change(change).await? { Ok(key) } else { Err(KeyError::Unknown(name.into())) }
    }

    /// Ends a key for good. It is refused when this returns.
    pub async fn revoke_key(&self, by: &Caller, name: &str) -> Result<(), KeyError> {
        let (tenant, id) = (by.tenant.clone(), KeyId::from(name));
        let change = async move |store: Store| store.revoke_key(&tenant, &id, Timestamp::now()).await;
        if self.change(change).await? { Ok(()) } else { Err(KeyError::Unknown(name.into())) }
    }

    /// Reads the keys again, which another node changed.
    pub async fn refresh(&self) -> Result<(), KeyError> {
        let _turn = self.0.turns.lock().await;
        self.0.keys.store(Keys::of(self.0.store.keys().await?, self.0.environment)?.into());
        Ok(())
    }

    /// Makes a change and takes what it answers with as the keys; false where it changed nothing.
    ///
    /// In a task of its own: a caller that goes away must not leave a revoked key in use.
    async fn change<C, F>(&self, change: C) -> Result<bool, KeyError>
    where
        C: FnOnce(Store) -> F + Send + 'static,
        F: Future<Output = Result<Option<KeyTable>, StoreError>> + Send,
    {
        let inner = self.0.clone();
        let made = tokio::spawn(async move {
            let _turn = inner.turns.lock().await;
            let Some(table) = change(inner.store.clone()).await? else { return Ok(false) };
            inner.keys.store(Keys::of(table, inner.environment)?.into());
            Ok(true)
        });
        made.await.unwrap_or(Err(KeyError::Stopped))
    }
}

fn check_name(name: &str) -> Result<(), KeyError> {
    let is_fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let is_name = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_fit);
    if is_name && !RESERVED.contains(&name) { Ok(()) } else { Err(KeyError::Name) }
}

fn entry(row: KeyRow, rights: Rights) -> KeyEntry {
    KeyEntry {
        name: row.name.to_string(),
        rights,
        created_at: row.created_at,
        created_by: row.created_by.to_string(),
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use jiff::SignedDuration;

    use super::*;
    use crate::{Permission, Role};

    async fn open(dir: &std::path::Path) -> (Identity, Caller) {
        let store = Store::open(dir).await.unwrap();
        let (identity, _) =
            Identity::open(store, Some("correct-horse-battery".into()), Environment::Development).await.unwrap();
        let operator = identity.identify(Some(&HeaderValue::from_static("Bearer correct-horse-battery"))).unwrap();
        (identity, operator)
    }

    fn identify(identity: &Identity, key: &NewKey) -> Result<Caller, Unauthorised> {
        identity.identify(Some(&HeaderValue::from_str(&format!("Bearer {}", key.reveal())).unwrap()))
    }

    fn soon(seconds: i64) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(seconds)
    }

    const MEMBER: Rights = Rights::Role(Role::Member);

    #[tokio::test]
    async fn a_key_may_what_it_was_given_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, operator) = open(dir.path()).await;
        let (key, entry) = identity.create_key(&operator, "ci", MEMBER, Some(soon(60))).await.unwrap();
        assert!(key.reveal().starts_with("sophia_key_"), "{}", key.reveal());
        let caller = identify(&identity, &key).unwrap();
        assert_eq!((caller.key.as_str(), &caller.may), ("ci", &May::of(MEMBER.grants())));
        assert_eq!(identity.keys(&operator.tenant), std::slice::from_ref(&entry));
        assert_eq!(identity.keys(&"other".parse().unwrap()), []);
        drop(identity);
        let (identity, _) = open(dir.path()).await;
        assert_eq!(identify(&identity, &key), Ok(caller));
        assert_eq!(identity.keys(&operator.tenant), [entry]);
    }

    #[tokio::test]
    async fn nobody_gives_what_they_do_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, operator) = open(dir.path()).await;
        let (key, _) = identity.create_key(&operator, "admin", Rights::Role(Role::Admin), None).await.unwrap();
        let admin = identify(&identity, &key).unwrap();
        let beyond = identity.create_key(&admin, "king", Rights::Role(Role::Owner), None).await.unwrap_err();
        assert!(beyond.to_string().contains("`user.manage`, `system.config`"), "{beyond}");
        let one = Rights::Permissions([Permission::SystemConfig].into_iter().collect());
        assert!(matches!(identity.create_key(&admin, "one", one, None).await, Err(KeyError::Beyond(_))));
        identity.create_key(&admin, "ci", MEMBER, None).await.unwrap();
        identity.create_key(&operator, "boss", Rights::Role(Role::Owner), None).await.unwrap();
        assert!(matches!(identity.rotate_key(&admin, "boss", soon(1)).await, Err(KeyError::Beyond(_))));
    }

    #[tokio::test]
    async fn refuses_names_that_are_none_or_taken_and_keys_that_have_expired() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, operator) = open(dir.path()).await;
        let long = "x".repeat(65);
        for name in ["", "Big", "a b", "../x", "operator", "public", &long] {
            let refused = identity.create_key(&operator, name, MEMBER, None).await;
            assert!(matches!(refused, Err(KeyError::Name)), "{name}");
        }
        let past = identity.create_key(&operator, "ci", MEMBER, Some(soon(-1))).await;
        assert!(matches!(past, Err(KeyError::Past)));
        identity.create_key(&operator, "ci", MEMBER, None).await.unwrap();
        let again = identity.create_key(&operator, "ci", MEMBER, None).await;
        assert!(matches!(again, Err(KeyError::Taken(_))));
    }

    #[tokio::test]
    async fn a_replaced_key_is_good_for_its_overlap_and_a_revoked_one_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, operator) = open(dir.path()).await;
        let (first, _) = identity.create_key(&operator, "ci", MEMBER, None).await.unwrap();
        let second = identity.rotate_key(&operator, "ci", soon(60)).await.unwrap();
        assert_eq!(identify(&identity, &first), identify(&identity, &second));
        let third = identity.rotate_key(&operator, "ci", soon(-1)).await.unwrap();
        assert_eq!(identify(&identity, &first), Err(Unauthorised::Wrong));
        assert_eq!(identify(&identity, &second), Err(Unauthorised::Expired));
        assert!(identify(&identity, &third).is_ok());
        identity.revoke_key(&operator, "ci").await.unwrap();
        for key in [&first, &second, &third] {
            assert_eq!(identify(&identity, key), Err(Unauthorised::Wrong));
        }
        assert!(identity.keys(&operator.tenant)[0].revoked_at.is_some());
        assert!(matches!(identity.revoke_key(&operator, "ci").await, Err(KeyError::Unknown(_))));
        assert!(matches!(identity.rotate_key(&operator, "ci", soon(1)).await, Err(KeyError::Unknown(_))));
        assert!(matches!(identity.rotate_key(&operator, "none", soon(1)).await, Err(KeyError::Unknown(_))));
        assert!(matches!(identity.create_key(&operator, "ci", MEMBER, None).await, Err(KeyError::Taken(_))));
    }
}
