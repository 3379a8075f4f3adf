//! Whether something may be done: pure, and the only place that decides it.

use std::{fmt, sync::Arc};

use sophia_domain::Environment;

use crate::{Grant, Kind, Permission, Permissions, Resource, ResourcePattern, grant::Part};

/// What is asked of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask<'a> {
    /// What would be done.
    pub permission: Permission,
    /// On a node of which environment.
    pub environment: Environment,
    /// To what.
    pub resource: Resource<'a>,
}

/// What a caller may do, ready to be asked. Made when keys, users or roles change; cheap to clone.
///
/// Each layer is what somebody allows (the key; the user whose key it is), as a list of grants of
/// which one must do; every layer must allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct May(Arc<[Arc<[Grant]>]>);

/// What is missing. Nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The permission, whatever it were for.
    #[error("not allowed at all")]
    Permission,
    /// It is there for another environment.
    #[error("not allowed in this environment")]
    Environment,
    /// It is there for another resource.
    #[error("not allowed for this resource")]
    Resource,
}

/// What somebody would give and does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess(Vec<Missing>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    permission: Permission,
    /// Where the permission itself is there: the first place where it is not.
    place: Option<(Environment, ResourcePattern)>,
}

/// What a plugin's version asked for, and what the operator granted of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginRights {
    /// By the manifest.
    pub asked: Vec<ResourcePattern>,
    /// By the operator.
    pub granted: Vec<ResourcePattern>,
}

/// Why a plugin may not use something in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lacking {
    /// Its manifest does not ask for it.
    #[error("the plugin did not ask for it")]
    Ask,
    /// Nobody granted it.
    #[error("it is not granted to the plugin")]
    Grant,
    /// Whoever calls the plugin may not have it.
    #[error("the caller may not: {0}")]
    Caller(Refused),
}

/// Whether a caller may do what is asked. What no grant names is refused.
pub fn decide(ask: &Ask<'_>, may: &May) -> Result<(), Refused> {
    may.0.iter().try_for_each(|layer| decide_in(ask, layer))?;
    // Without a layer nobody has allowed anything.
    if may.0.is_empty() { Err(Refused::Permission) } else { Ok(()) }
}

fn decide_in(ask: &Ask<'_>, layer: &[Grant]) -> Result<(), Refused> {
    if layer.iter().any(|grant| grant.allows(ask)) {
        return Ok(());
    }
    let mut of_permission = layer.iter().filter(|grant| grant.permissions.contains(ask.permission));
    let is_here = |grant: &Grant| grant.environments.contains(ask.environment);
    Err(match of_permission.next() {
        None => Refused::Permission,
        Some(first) if is_here(first) || of_permission.any(is_here) => Refused::Resource,
        Some(_) => Refused::Environment,
    })
}

/// The effective right: what the plugin asked for ∩ what the operator granted ∩ what the caller may.
pub fn effective(ask: &Ask<'_>, plugin: &PluginRights, caller: &May) -> Result<(), Lacking> {
    let has = |patterns: &[ResourcePattern]| patterns.iter().any(|pattern| pattern.matches(&ask.resource));
    if !has(&plugin.asked) {
        return Err(Lacking::Ask);
    }
    if !has(&plugin.granted) {
        return Err(Lacking::Grant);
    }
    decide(ask, caller).map_err(Lacking::Caller)
}

impl May {
    /// Everything.
    pub fn all() -> Self {
        Self::of(vec![Grant::anywhere(Permissions::all())])
    }

    /// What a list of grants allows.
    pub fn of(grants: Vec<Grant>) -> Self {
        Self([grants.into()].into())
    }

    /// What both allow.
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(other.0.iter()).cloned().collect())
    }

    /// Whether there may be something of the kind that the permission is there for. A route that
    /// lists asks this first, and then about each thing.
    pub fn has_some(&self, permission: Permission, environment: Environment, kind: Kind) -> bool {
        let in_layer = |layer: &Arc<[Grant]>| layer.iter().any(|g| g.allows_some(permission, environment, kind));
        !self.0.is_empty() && self.0.iter().all(in_layer)
    }

    /// The permissions that are there for something, in some environment.
    pub fn permissions(&self) -> Permissions {
        let of = |layer: &Arc<[Grant]>| layer.iter().flat_map(|grant| grant.permissions.iter()).collect();
        self.0.iter().map(of).reduce(Permissions::common).unwrap_or_default()
    }

    /// What of these rights is more than one's own. Nobody gives what they do not have: neither
    /// permissions, nor environments, nor resources.
    ///
    /// Certain, and careful: of rights with several layers the one that is least beyond counts.
    pub fn gives(&self, given: &Self) -> Result<(), Excess> {
        let beyond = |layer: &Arc<[Grant]>| self.beyond(layer);
        let least = given.0.iter().map(beyond).min_by_key(|excess| excess.0.len());
        match least {
            Some(excess) if !excess.0.is_empty() => Err(excess),
            _ => Ok(()),
        }
    }

    fn beyond(&self, given: &[Grant]) -> Excess {
        let own = self.permissions();
        let mut missing: Vec<Missing> = Vec::new();
        for part in given.iter().flat_map(Grant::parts).filter(|part| !self.covers(part)) {
            if missing.iter().all(|known| known.permission != part.permission) {
                let place = own.contains(part.permission).then(|| (part.environment, part.resource.clone()));
                missing.push(Missing { permission: part.permission, place });
            }
        }
        Excess(missing)
    }

    fn covers(&self, part: &Part<'_>) -> bool {
        !self.0.is_empty() && self.0.iter().all(|layer| layer.iter().any(|grant| grant.covers(part)))
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Missing { permission, place }) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { ", " })?;
            write!(f, "`{permission}`")?;
            if let Some((environment, resource)) = place {
                write!(f, " in {environment} for `{resource}`")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
