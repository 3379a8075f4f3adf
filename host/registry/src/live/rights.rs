//! From a version, the operator's decisions and a connection to what a call is given: what was
//! asked for and granted, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicUsize},
};

use sophia_domain::{ConnectionName, Limits, Scope};
use sophia_egress::{Credential, Rights};
use sophia_identity::{Kind, PluginRights, ResourcePattern};
use sophia_ledger::{RateKey, RateWindow, RateWindows};
use sophia_sandbox::{Program, SecretNames};
use sophia_store::ConnectionRow;
use sophia_vault::Vault;

use super::{LiveConnection, LivePlugin};
use crate::{Access, Ask, Grants, Version};

/// What turns a loaded version into one that answers. Read from rows for each change.
pub(crate) struct Binding<'a> {
    pub(crate) grants: &'a Grants,
    pub(crate) connections: &'a [ConnectionRow],
    pub(crate) caps: &'a Limits,
    pub(crate) vault: &'a Vault,
    pub(crate) rates: &'a RateWindows,
}

impl Binding<'_> {
    /// Binds a version that was just loaded.
    pub(crate) fn bind(&self, version: Arc<Version>, program: Arc<Program>) -> LivePlugin {
        let live = |row: &ConnectionRow| (row.name.clone(), Arc::new(self.connection(&version, row)));
        LivePlugin {
            limits: version.manifest.limits.under(self.caps),
            access: self.access(&version),
            classes: Arc::new(self.classes(&version)),
            models: self.models(&version),
            connections: self.connections.iter().map(live).collect(),
            default: Arc::new(self.default(&version)),
            in_flight: Arc::new(AtomicUsize::new(0)),
            version,
            program,
        }
    }

    /// The same loaded version under changed decisions or connections; its calls stay counted.
    pub(crate) fn rebind(&self, plugin: &LivePlugin) -> LivePlugin {
        let bound = self.bind(plugin.version.clone(), plugin.program.clone());
        LivePlugin { in_flight: plugin.in_flight.clone(), ..bound }
    }

    fn access(&self, version: &Version) -> Access {
        match version.manifest.endpoint.access {
            Access::Public if self.grants.has(&Ask::Public) => Access::Public,
            Access::Public | Access::Key => Access::Key,
        }
    }

    fn classes(&self, version: &Version) -> BTreeSet<String> {
        let asked = version.manifest.models.classes.iter();
        asked.filter(|class| self.grants.has(&Ask::Models(class))).cloned().collect()
    }

    fn models(&self, version: &Version) -> PluginRights {
        let exactly = |class: &String| ResourcePattern::exactly(Kind::Model, class);
        PluginRights {
            asked: version.manifest.models.classes.iter().map(exactly).collect(),
            granted: self.classes(version).iter().map(exactly).collect(),
        }
    }

    fn default(&self, version: &Version) -> LiveConnection {
        let name = default_name();
        match self.connections.iter().find(|row| row.name == name) {
            Some(row) => self.connection(version, row),
            None => {
                let connector = version.name.clone();
                let bare = ConnectionRow { connector, name, config: BTreeMap::new(), credentials: BTreeMap::new() };
                self.connection(version, &bare)
            }
        }
    }

    fn connection(&self, version: &Version, row: &ConnectionRow) -> LiveConnection {
        LiveConnection {
            name: row.name.clone(),
            config: Arc::new(self.config(version, row)),
            rights: Arc::new(self.rights(version, row)),
            secrets: Arc::new(self.secrets(version, row)),
        }
    }

    fn config(&self, version: &Version, row: &ConnectionRow) -> BTreeMap<String, String> {
        let granted: Vec<_> =
            version.manifest.config.keys.iter().filter(|key| self.grants.has(&Ask::Config(key))).collect();
        let readable = row.config.iter().filter(|(key, _)| granted.iter().any(|pattern| pattern.matches(key)));
        readable.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn rights(&self, version: &Version, row: &ConnectionRow) -> Rights {
        let asked = &version.manifest.egress.allow;
        let granted = asked.patterns().iter().filter(|pattern| self.grants.has(&Ask::Egress(pattern)));
        let credentials = version.manifest.credentials.iter().filter_map(|(name, ask)| {
            let secret = row.credentials.get(name)?;
            self.grants.has(&Ask::Credential(name, ask)).then(|| Credential {
                name: name.clone(),
                scope: ask.scope.clone(),
                auto: ask.auto,
                injector: self.vault.injector(&version.tenant, secret, &ask.inject),
                rate: self.rate(version, row, name),
            })
        });
        Rights {
            asked: asked.clone(),
            granted: Scope::new(granted.cloned().collect()),
            credentials: credentials.collect(),
        }
    }

    fn rate(&self, version: &Version, row: &ConnectionRow, credential: &str) -> Option<RateWindow> {
        let ask = version.manifest.rate.get(credential)?;
        let key = RateKey {
            tenant: version.tenant.clone(),
            plugin: version.name.clone(),
            connection: row.name.clone(),
            credential: credential.to_owned(),
        };
        Some(self.rates.window(key, ask.requests))
    }

    fn secrets(&self, version: &Version, row: &ConnectionRow) -> SecretNames {
        let mut names = SecretNames::default();
        for ask in version.manifest.asks().into_iter().filter(|ask| self.grants.has(ask)) {
            let (Ask::Credential(name, _) | Ask::Verify(name, _)) = ask else { continue };
            if let Some(secret) = row.credentials.get(name) {
                names.bound.insert(name.to_owned(), secret.clone());
            }
            if let Ask::Verify(_, algorithm) = ask {
                names.verify.push((name.to_owned(), algorithm));
            }
        }
        names
    }
}

/// The name of the connection that endpoints and policies use.
#[expect(clippy::expect_used, reason = "the literal is a name")]
fn default_name() -> ConnectionName {
    "default".parse().expect("a name")
}

#[cfg(test)]
mod tests;
