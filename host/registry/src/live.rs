//! What answers now. The data path reads one snapshot and takes no lock; each change builds the
//! next snapshot and swaps it in. A call keeps the plugin it began with until it ends, which is
//! how an old version drains.

mod rights;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use sophia_domain::{ConnectionName, Limits, PluginName};
use sophia_egress::Rights;
use sophia_identity::{Ask, Caller, Permission, PluginRights, Resource, effective};
use sophia_sandbox::{Program, SecretNames};

use crate::{Access, Version};

pub(crate) use rights::Binding;

/// All plugins that answer, of the tenant that is always there. One per change.
#[derive(Clone, Default)]
pub struct Live {
    plugins: HashMap<PluginName, Arc<LivePlugin>>,
    /// Active versions that could not be loaded, and why.
    failed: HashMap<PluginName, Arc<str>>,
}

/// An active version with all that a call of it needs; its fields are at hand as the plugin's
/// own. One per activation, and again when its grants or connections change.
#[derive(Clone)]
pub struct LivePlugin {
    version: Arc<Version>,
    /// What a call of it may use.
    pub limits: Limits,
    /// Who may call it.
    pub access: Access,
    /// The classes of models that it asked for and was granted.
    classes: Arc<BTreeSet<String>>,
    /// The same, apart.
    models: PluginRights,
    /// The code.
    pub program: Arc<Program>,
    connections: HashMap<ConnectionName, Arc<LiveConnection>>,
    /// The connection named `default`, or one without configuration and credentials.
    default: Arc<LiveConnection>,
    in_flight: Arc<AtomicUsize>,
}

/// A connection prepared for calls, so that a call only clones what is shared.
#[derive(Clone)]
pub struct LiveConnection {
    /// Its name.
    pub name: ConnectionName,
    /// The settings that the plugin asked for and was granted.
    pub config: Arc<BTreeMap<String, String>>,
    /// Where the plugin may send requests, and with which credentials.
    pub rights: Arc<Rights>,
    /// Which secrets stand behind the manifest's names.
    pub secrets: Arc<SecretNames>,
}

/// A call under way. Keeps the version and counts it as in flight until dropped.
pub struct InFlight(Arc<LivePlugin>);

impl Live {
    /// The version of a plugin that answers.
    pub fn plugin(&self, name: &str) -> Option<&Arc<LivePlugin>> {
        self.plugins.get(name)
    }

    /// A connection of a plugin that answers.
    pub fn connection(&self, connector: &str, name: &str) -> Option<&Arc<LiveConnection>> {
        self.plugins.get(connector)?.connection(name)
    }

    /// Why the active version of a plugin could not be loaded, if it could not.
    pub fn failure(&self, name: &str) -> Option<&str> {
        self.failed.get(name).map(Deref::deref)
    }

    /// All plugins that answer, in no order.
    pub fn plugins(&self) -> impl ExactSizeIterator<Item = &Arc<LivePlugin>> {
        self.plugins.values()
    }

    /// How many active versions could not be loaded.
    pub fn n_failed(&self) -> usize {
        self.failed.len()
    }

    pub(crate) fn with(&self, plugin: Arc<LivePlugin>) -> Self {
        let mut next = self.without(&plugin.name);
        next.plugins.insert(plugin.name.clone(), plugin);
        next
    }

    pub(crate) fn with_failed(&self, name: PluginName, reason: &str) -> Self {
        let mut next = self.without(&name);
        next.failed.insert(name, reason.into());
        next
    }

    pub(crate) fn without(&self, name: &PluginName) -> Self {
        let mut next = self.clone();
        next.plugins.remove(name);
        next.failed.remove(name);
        next
    }
}

impl LivePlugin {
    /// One of its connections.
    pub fn connection(&self, name: &str) -> Option<&Arc<LiveConnection>> {
        self.connections.get(name)
    }

    /// What an endpoint or policy is called with: the connection named `default`, and where there
    /// is none, its granted rights without credentials and configuration.
    pub fn default_connection(&self) -> &Arc<LiveConnection> {
        &self.default
    }

    /// Whether its description names an action or task.
    pub fn offers_operation(&self, name: &str) -> bool {
        self.description.as_ref().is_some_and(|said| said.operations.iter().any(|operation| operation.name == name))
    }

    /// Whether its description names a stream.
    pub fn offers_stream(&self, name: &str) -> bool {
        self.description.as_ref().is_some_and(|said| said.streams.iter().any(|stream| stream.name == name))
    }

    /// The classes of models that a call may use: what the plugin asked for ∩ what was granted ∩
    /// what the caller may. A call without a caller, of a public endpoint or a webhook, may what the
    /// plugin may.
    pub fn classes_for(&self, caller: Option<&Caller>) -> Arc<BTreeSet<String>> {
        let Some(caller) = caller else { return self.classes.clone() };
        let has = |class: &&String| {
            let (permission, environment) = (Permission::AgentExecute, caller.environment);
            let ask = Ask { permission, environment, resource: Resource::model(class) };
            effective(&ask, &self.models, &caller.may).is_ok()
        };
        if self.classes.iter().all(|class| has(&class)) {
            return self.classes.clone();
        }
        Arc::new(self.classes.iter().filter(has).cloned().collect())
    }

    /// Begins a call.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Calls of this version that are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Deref for LivePlugin {
    type Target = Version;

    fn deref(&self) -> &Version {
        &self.version
    }
}

impl Deref for InFlight {
    type Target = Arc<LivePlugin>;

    fn deref(&self) -> &Arc<LivePlugin> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
