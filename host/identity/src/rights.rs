//! What a key may do: a role, a list of permissions, or grants. Deny by default: what is not named
//! is not allowed.

use serde::{Deserialize, Serialize};

use crate::{Grant, GrantsError, Permission, Permissions, grant};

/// A well-known set of permissions: owner > admin > member > viewer. What a role may do is the
/// program's, so that a later release changes it for everybody who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Calls.
    Member,
    /// Uploads and configures, but decides neither grants nor money, nor on the keys of others.
    Admin,
    /// Everything.
    Owner,
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rights {
    /// What the role may.
    Role(Role),
    /// These, and nothing else, in every environment and for everything.
    Permissions(Permissions),
    /// These, and nothing else.
    Grants(Vec<Grant>),
}

/// What nobody but an owner has.
const OWNERS: [Permission; 5] = [
    Permission::UserManage,
    Permission::SystemConfig,
    Permission::AuditWrite,
    Permission::EnvironmentWrite,
    Permission::SystemAdmin,
];

const MEMBERS: [Permission; 6] = [
    Permission::SophiaRead,
    Permission::ArtemisRead,
    Permission::AgentExecute,
    Permission::BiRead,
    Permission::SecretRead,
    Permission::ConfigRead,
];

const VIEWERS: [Permission; 3] = [Permission::SophiaRead, Permission::BiRead, Permission::ConfigRead];

impl Role {
    /// From the least to the most.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// The word used in keys and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// What it may do.
    pub fn permissions(self) -> Permissions {
        match self {
            Self::Viewer => VIEWERS.into_iter().collect(),
            Self::Member => MEMBERS.into_iter().collect(),
            Self::Admin => Permissions::all().missing_in(OWNERS.into_iter().collect()),
            Self::Owner => Permissions::all(),
        }
    }
}

impl Rights {
    /// What they allow.
    pub fn grants(&self) -> Vec<Grant> {
        match self {
            Self::Role(role) => vec![Grant::anywhere(role.permissions())],
            Self::Permissions(permissions) => vec![Grant::anywhere(*permissions)],
            Self::Grants(grants) => grants.clone(),
        }
    }

    /// Refuses lists that are too long.
    pub(crate) fn check(&self) -> Result<(), GrantsError> {
        if let Self::Grants(grants) = self { grant::check(grants) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_all_that_the_one_below_may_and_more() {
        for pair in Role::ALL.windows(2) {
            let [less, more] = [pair[0], pair[1]].map(Role::permissions);
            assert!(less.missing_in(more).is_empty(), "{pair:?}");
            assert!(!more.missing_in(less).is_empty(), "{pair:?}");
        }
    }

    /// The eleven of the platform, by role.
    #[test]
    fn roles_have_what_they_are_known_for() {
        let eleven = &Permission::ALL[..11];
        let count = |role: Role| eleven.iter().filter(|one| role.permissions().contains(**one)).count();
        assert_eq!(Role::ALL.map(count), [2, 4, 9, 11]);
        let admin = Role::Admin.permissions();
        for permission in [Permission::UserManage, Permission::SystemConfig, Permission::SystemAdmin] {
            assert!(!admin.contains(permission), "{permission}");
        }
        assert!(!Role::Member.permissions().contains(Permission::SecretWrite));
        assert!(!Role::Viewer.permissions().contains(Permission::AgentExecute));
    }

    #[test]
    fn are_written_by_name() {
        let check = |rights: Rights, json: &str| {
            assert_eq!(serde_json::to_string(&rights).unwrap(), json);
            assert_eq!(serde_json::from_str::<Rights>(json).unwrap(), rights);
        };
        check(
            Rights::Grants(vec![Grant::anywhere([Permission::SophiaRead].into_iter().collect())]),
            r#"{"grants":[{"permissions":["sophia.read"],"environments":["*"],"resources":["*"]}]}"#,
        );
        check(Rights::Role(Role::Admin), r#"{"role":"admin"}"#);
        let two = [Permission::SophiaRead, Permission::AgentExecute].into_iter().collect();
        check(Rights::Permissions(two), r#"{"permissions":["sophia.read","agent.execute"]}"#);
        assert!(two.contains(Permission::AgentExecute) && !two.contains(Permission::AgentCreate));
        for wrong in [r#"{"role":"king"}"#, r#"{"permissions":["agent.fly"]}"#, "{}"] {
            assert!(serde_json::from_str::<Rights>(wrong).is_err(), "{wrong}");
        }
    }
}
