//! What a custom role or a key's list is made of: permissions × environments × resources.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sophia_domain::Environment;

use crate::{Ask, Kind, Permission, Permissions, ResourcePattern};

/// Each of these permissions, in each of these environments, for each of these resources. A list
/// that is empty allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What may be done.
    pub permissions: Permissions,
    /// On nodes of which environment.
    pub environments: Environments,
    /// To what.
    pub resources: Vec<ResourcePattern>,
}

/// A set of environments.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Environments(u8);

/// Too much for one role or one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantsError {
    /// Too many grants.
    #[error("a role or a key has at most {MAX_GRANTS} grants")]
    Grants,
    /// Too many patterns.
    #[error("a grant has at most {MAX_RESOURCES} resources")]
    Resources,
}

/// Most grants of a role or a key: each check looks at all of them.
pub const MAX_GRANTS: usize = 32;

/// Most patterns of a grant.
pub const MAX_RESOURCES: usize = 32;

impl Grant {
    /// These permissions wherever and for whatever.
    pub(crate) fn anywhere(permissions: Permissions) -> Self {
        Self { permissions, environments: Environments::all(), resources: vec![ResourcePattern::all()] }
    }

    pub(crate) fn allows(&self, ask: &Ask<'_>) -> bool {
        self.permissions.contains(ask.permission)
            && self.environments.contains(ask.environment)
            && self.resources.iter().any(|pattern| pattern.matches(&ask.resource))
    }

    pub(crate) fn allows_some(&self, permission: Permission, environment: Environment, kind: Kind) -> bool {
        self.permissions.contains(permission)
            && self.environments.contains(environment)
            && self.resources.iter().any(|pattern| pattern.concerns(kind))
    }

    pub(crate) fn covers(&self, part: &Part<'_>) -> bool {
        self.permissions.contains(part.permission)
            && self.environments.contains(part.environment)
            && self.resources.iter().any(|pattern| pattern.covers(part.resource))
    }

    /// Each permission in each environment for each pattern.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.permissions.iter().flat_map(move |permission| {
            self.environments.iter().flat_map(move |environment| {
                self.resources.iter().map(move |resource| Part { permission, environment, resource })
            })
        })
    }
}

/// One of the things that a grant allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) permission: Permission,
    pub(crate) environment: Environment,
    pub(crate) resource: &'a ResourcePattern,
}

/// Refuses lists that a check would be long about.
pub(crate) fn check(grants: &[Grant]) -> Result<(), GrantsError> {
    if grants.len() > MAX_GRANTS {
        return Err(GrantsError::Grants);
    }
    let is_long = grants.iter().any(|grant| grant.resources.len() > MAX_RESOURCES);
    if is_long { Err(GrantsError::Resources) } else { Ok(()) }
}

impl Environments {
    /// Every one.
    pub fn all() -> Self {
        Environment::ALL.into_iter().collect()
    }

    /// Whether it is among them.
    pub fn contains(self, environment: Environment) -> bool {
        self.0 & bit(environment) != 0
    }

    /// In the order of [`Environment::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Environment> {
        Environment::ALL.into_iter().filter(move |environment| self.contains(*environment))
    }
}

fn bit(environment: Environment) -> u8 {
    1 << environment as u8
}

impl FromIterator<Environment> for Environments {
    fn from_iter<I: IntoIterator<Item = Environment>>(environments: I) -> Self {
        Self(environments.into_iter().fold(0, |bits, environment| bits | bit(environment)))
    }
}

impl fmt::Debug for Environments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Environment::as_str)).finish()
    }
}

impl Serialize for Environments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::all() { serializer.collect_seq(["*"]) } else { serializer.collect_seq(self.iter()) }
    }
}

impl<'de> Deserialize<'de> for Environments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        if words.iter().any(|word| word == "*") {
            return Ok(Self::all());
        }
        words.iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Grant, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn is_read_as_it_is_written() {
        for json in [
            r#"{"permissions":["agent.execute"],"environments":["*"],"resources":["plugin:hubspot","connection:hubspot/*"]}"#,
            r#"{"permissions":[],"environments":["staging","production"],"resources":[]}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(json).unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn every_part_is_said_and_known() {
        for wrong in [
            r#"{"permissions":["agent.execute"],"environments":["*"]}"#,
            r#"{"permissions":["agent.execute"],"resources":["*"]}"#,
            r#"{"permissions":["agent.fly"],"environments":["*"],"resources":["*"]}"#,
            r#"{"permissions":[],"environments":["moon"],"resources":["*"]}"#,
            r#"{"permissions":[],"environments":["*"],"resources":["thing:x"]}"#,
            r#"{"permissions":[],"environments":["*"],"resources":["*"],"until":"x"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_has_bounds() {
        let grant = Grant::anywhere(Permissions::all());
        assert_eq!(check(&vec![grant.clone(); MAX_GRANTS]), Ok(()));
        assert_eq!(check(&vec![grant.clone(); MAX_GRANTS + 1]), Err(GrantsError::Grants));
        let long = |n| Grant { resources: vec![ResourcePattern::all(); n], ..grant.clone() };
        assert_eq!(check(&[long(MAX_RESOURCES)]), Ok(()));
        assert_eq!(check(&[long(MAX_RESOURCES + 1)]), Err(GrantsError::Resources));
    }
}
