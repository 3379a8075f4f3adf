//! What can be allowed, one by one and as a set.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal)*) => {
        /// Something that can be allowed. A route needs one; a role and a key have some. Those that no
        /// route needs yet, as `GET /v1/permissions` shows, belong to rooms to come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// All that there are.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word used in keys, answers and problem documents.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

permissions! {
    /// Make, change and revoke the keys of others.
    UserManage = "user.manage"
    /// Make keys that may do no more than the maker.
    UserInvite = "user.invite"
    /// Decide what plugins are granted and what may be spent.
    SystemConfig = "system.config"
    /// See what is on the node: plugins, connections, runs, costs.
    SophiaRead = "sophia.read"
    /// Change what is on the node: connections and their configuration.
    SophiaWrite = "sophia.write"
    /// Read code domains.
    ArtemisRead = "artemis.read"
    /// Write code domains.
    ArtemisWrite = "artemis.write"
    /// Upload, change and delete plugins.
    AgentCreate = "agent.create"
    /// Call plugins and models, start and cancel runs.
    AgentExecute = "agent.execute"
    /// Read business data.
    BiRead = "bi.read"
    /// Write business data.
    BiWrite = "bi.write"
    /// See which secrets there are; never what they are.
    SecretRead = "secret.read"
    /// Set secrets.
    SecretWrite = "secret.write"
    /// Forget secrets.
    SecretDelete = "secret.delete"
    /// Replace secrets on a schedule.
    SecretRotate = "secret.rotate"
    /// Read configuration.
    ConfigRead = "config.read"
    /// Write configuration.
    ConfigWrite = "config.write"
    /// Have configuration read anew.
    ConfigRefresh = "config.refresh"
    /// See what belongs to an environment.
    EnvironmentRead = "environment.read"
    /// Change what belongs to an environment.
    EnvironmentWrite = "environment.write"
    /// Read the audit chain.
    AuditRead = "audit.read"
    /// Seal and export the audit chain.
    AuditWrite = "audit.write"
    /// Whatever else there is.
    SystemAdmin = "system.admin"
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u32);

/// No permission has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no permission `{0}`")]
pub struct NoPermission(String);

impl Permission {
    fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl std::str::FromStr for Permission {
    type Err = NoPermission;

    fn from_str(word: &str) -> Result<Self, NoPermission> {
        let found = Self::ALL.iter().find(|permission| permission.as_str() == word);
        found.copied().ok_or_else(|| NoPermission(word.chars().take(64).collect()))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        word.parse().map_err(D::Error::custom)
    }
}

impl Permissions {
    /// Every one that there is.
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// Whether it is among them.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those that stand in both.
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are missing in `other`.
    pub fn missing_in(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Permission>::deserialize(deserializer)?.into_iter().collect())
    }
}
