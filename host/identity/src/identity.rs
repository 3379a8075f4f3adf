use std::sync::Arc;

use arc_swap::ArcSwap;
use sophia_domain::{Environment, KeyId, TenantId};
use sophia_store::{Store, StoreError};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{
    Ask, KeyError, Kind, May, NewKey, Permission, Refused, Resource, decide,
    key::{KeyHash, OPERATOR_PREFIX},
    keys::Keys,
};

/// Recognises callers. Opened once at boot; cheap to clone, asked for each request.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    operator: KeyHash,
    caller: Caller,
    pub(crate) environment: Environment,
    pub(crate) store: Store,
    /// Read anew after each change.
    pub(crate) keys: ArcSwap<Keys>,
    /// One change at a time, so that the table is never older than what is kept.
    pub(crate) turns: Mutex<()>,
}

/// Who sent a request. One per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose data and money it is about.
    pub tenant: TenantId,
    /// The key that was sent, by its name. Money is spent under it.
    pub key: KeyId,
    /// What the caller may do.
    pub may: May,
    /// That of the node.
    pub environment: Environment,
}

/// The caller may not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{needed}` is needed{}, which the key `{key}` does not have", place(*.why, *.environment, .resource))]
pub struct Forbidden {
    /// What is needed.
    pub needed: Permission,
    /// The key that was sent.
    pub key: KeyId,
    /// What is missing.
    pub why: Refused,
    /// That of the node.
    pub environment: Environment,
    /// For what it is needed, as `kind:name`.
    pub resource: String,
}

/// Why a request has no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorised {
    /// No `authorization` header.
    #[error("send a key as `Authorization: Bearer KEY`")]
    Missing,
    /// Another form than `Bearer KEY`.
    #[error("the authorization header must be `Bearer KEY`")]
    Malformed,
    /// A key that nobody has.
    #[error("the key is wrong")]
    Wrong,
    /// A key that was somebody's.
    #[error("the key has expired")]
    Expired,
}

/// Why callers cannot be recognised.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// `SOPHIA_OPERATOR_KEY` could be guessed or cannot stand in a header.
    #[error("SOPHIA_OPERATOR_KEY needs at least 16 visible ASCII characters")]
    WeakKey,
    /// What is stored is no hash.
    #[error("the stored operator key is damaged: set SOPHIA_OPERATOR_KEY")]
    Damaged,
    /// The system has no randomness.
    #[error("the system gave no random bytes")]
    Random,
    /// The store failed.
    #[error("the operator key cannot be read or written")]
    Store(#[from] StoreError),
    /// The keys of callers.
    #[error("the keys cannot be read")]
    Keys(#[source] KeyError),
}

/// The name of the operator's key.
const OPERATOR: &str = "operator";

const SETTING: &str = "identity.operator-key.sha256";

impl Identity {
    /// Takes the operator's key from the environment, which then is the only one of the operator's,
    /// or else the one made at the first start, which is made now if this is it.
    pub async fn open(
        store: Store,
        from_env: Option<String>,
        environment: Environment,
    ) -> Result<(Self, Option<NewKey>), IdentityError> {
        let (operator, new) = operator(&store, from_env).await?;
        let keys = Keys::of(store.keys().await?, environment).map_err(IdentityError::Keys)?;
        let caller = Caller { tenant: TenantId::main(), key: KeyId::from(OPERATOR), may: May::all(), environment };
        let (keys, turns) = (ArcSwap::from_pointee(keys), Mutex::default());
        let inner = Inner { operator, caller, environment, store, keys, turns };
        Ok((Self(Arc::new(inner)), new))
    }

    /// Who sent a request with this `authorization` header. Allocates nothing.
    pub fn identify(&self, authorization: Option<&http::HeaderValue>) -> Result<Caller, Unauthorised> {
        let header = authorization.ok_or(Unauthorised::Missing)?;
        let key = KeyHash::of(bearer(header.as_bytes()).ok_or(Unauthorised::Malformed)?);
        if self.0.operator.is(&key) { Ok(self.0.caller.clone()) } else { self.0.keys.load().caller(&key) }
    }
}

impl Caller {
    /// Refuses a caller that may not do this to that.
    pub fn needs(&self, needed: Permission, resource: Resource<'_>) -> Result<(), Forbidden> {
        let ask = Ask { permission: needed, environment: self.environment, resource };
        decide(&ask, &self.may).map_err(|why| self.forbidden(needed, why, ask.resource.to_string()))
    }

    /// Refuses a caller that may not do this to anything of a kind. Whoever may is asked again
    /// about each thing.
    pub fn needs_some(&self, needed: Permission, kind: Kind) -> Result<(), Forbidden> {
        if self.may.has_some(needed, self.environment, kind) {
            return Ok(());
        }
        let why = if self.may.permissions().contains(needed) { Refused::Resource } else { Refused::Permission };
        Err(self.forbidden(needed, why, format!("{}:*", kind.as_str())))
    }

    /// Whether the caller may do this to that: what a list shows.
    pub fn has(&self, permission: Permission, resource: Resource<'_>) -> bool {
        decide(&Ask { permission, environment: self.environment, resource }, &self.may).is_ok()
    }

    fn forbidden(&self, needed: Permission, why: Refused, resource: String) -> Forbidden {
        Forbidden { needed, key: self.key.clone(), why, environment: self.environment, resource }
    }
}

/// Where the permission is missing, if it is there elsewhere.
fn place(why: Refused, environment: Environment, resource: &str) -> String {
    match why {
        Refused::Permission => String::new(),
        Refused::Environment => format!(" in {environment}"),
        Refused::Resource => format!(" for `{resource}` in {environment}"),
    }
}

async fn operator(store: &Store, from_env: Option<String>) -> Result<(KeyHash, Option<NewKey>), IdentityError> {
    let tenant = TenantId::main();
    if let Some(key) = from_env.map(Zeroizing::new) {
        return Ok((KeyHash::of_chosen(&key).ok_or(IdentityError::WeakKey)?, None));
    }
    if let Some(stored) = store.setting(&tenant, SETTING).await? {
        return Ok((KeyHash::from_stored(&stored).ok_or(IdentityError::Damaged)?, None));
    }
    let key = NewKey::generate(OPERATOR_PREFIX).ok_or(IdentityError::Random)?;
    let operator = KeyHash::of(key.reveal().as_bytes());
    store.put_setting_once(&tenant, SETTING, operator.as_bytes()).await?;
    Ok((operator, Some(key)))
}

/// The key of `Bearer KEY` (RFC 6750; the scheme's case does not matter, RFC 9110 11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = header.split_at_checked(b"bearer ".len())?;
    let key = key.trim_ascii();
    let is_key = scheme.eq_ignore_ascii_case(b"bearer ") && key.iter().all(u8::is_ascii_graphic) && !key.is_empty();
    is_key.then_some(key)
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    async fn open(dir: &std::path::Path, from_env: Option<&str>) -> (Identity, Option<NewKey>) {
        let store = Store::open(dir).await.unwrap();
        Identity::open(store, from_env.map(str::to_owned), Environment::Development).await.unwrap()
    }

    fn identify(identity: &Identity, header: &str) -> Result<May, Unauthorised> {
        identity.identify(Some(&HeaderValue::from_str(header).unwrap())).map(|caller| caller.may)
    }

    #[tokio::test]
    async fn makes_a_key_at_the_first_start_and_never_shows_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, key) = open(dir.path(), None).await;
        let key = key.unwrap();
        assert!(key.reveal().starts_with("sophia_op_") && key.reveal().len() == 53, "{}", key.reveal());
        assert!(!format!("{key:?} {identity:?}").contains(&key.reveal()[10..]));
        let header = format!("Bearer {}", key.reveal());
        assert_eq!(identify(&identity, &header), Ok(May::all()));

        let database = std::fs::read(dir.path().join("sophia.db")).unwrap();
        assert!(!database.windows(20).any(|window| window == &key.reveal().as_bytes()[10..30]));
        drop(identity);
        let (identity, again) = open(dir.path(), None).await;
        assert!(again.is_none());
        assert_eq!(identify(&identity, &header), Ok(May::all()));
    }

    #[tokio::test]
    async fn a_key_from_the_environment_is_the_only_one() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, made) = open(dir.path(), None).await;
        let made = format!("Bearer {}", made.unwrap().reveal());
        drop(identity);
        let (identity, new) = open(dir.path(), Some("correct-horse-battery")).await;
        assert!(new.is_none());
        assert_eq!(identify(&identity, "Bearer correct-horse-battery"), Ok(May::all()));
        assert_eq!(identify(&identity, &made), Err(Unauthorised::Wrong));
    }

    #[tokio::test]
    async fn refuses_everything_but_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let (identity, _) = open(dir.path(), Some("correct-horse-battery")).await;
        assert_eq!(identity.identify(None), Err(Unauthorised::Missing));
        for (header, expected) in [
            ("", Err(Unauthorised::Malformed)),
            ("Bearer", Err(Unauthorised::Malformed)),
            ("Bearer ", Err(Unauthorised::Malformed)),
            ("Bearer a b", Err(Unauthorised::Malformed)),
            ("Basic correct-horse-battery", Err(Unauthorised::Malformed)),
            ("correct-horse-battery", Err(Unauthorised::Malformed)),
            ("Bearer correct-horse-batterx", Err(Unauthorised::Wrong)),
            ("Bearer correct-horse-batter", Err(Unauthorised::Wrong)),
            ("Bearer correct-horse-battery!", Err(Unauthorised::Wrong)),
            ("bearer  correct-horse-battery", Ok(May::all())),
        ] {
            assert_eq!(identify(&identity, header), expected, "{header}");
        }
    }

    #[tokio::test]
    async fn refuses_a_key_that_could_be_guessed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        for key in ["", "short", "has a space in it", "fifteen-letters"] {
            let opened = Identity::open(store.clone(), Some(key.to_owned()), Environment::Development).await;
            assert!(matches!(opened, Err(IdentityError::WeakKey)), "{key}");
        }
    }
}
