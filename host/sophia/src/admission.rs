//! Who may begin a call or a request of a model now: so many on the node, so many of one plugin.
//! The first cut; shares of tenants and queues come with them.
//!
//! What does not fit is refused at once, with the time to come back: a queue in front of a full
//! node only makes every answer late.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use sophia_registry::InFlight;

use crate::{config::Calls, metrics::PluginMeter};

/// Calls that run on this node. Built once at boot.
#[derive(Debug)]
pub(crate) struct Admission {
    running: AtomicU32,
    bounds: Calls,
    model_requests: AtomicU32,
    max_model_requests: u32,
}

/// A place among the running calls, given back when dropped. Holds the version that is called.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    plugin: Arc<PluginMeter>,
    _version: InFlight,
}

/// A place among the callers' requests of models, given back when dropped.
pub(crate) struct ModelPermit(Arc<Admission>);

/// A call of a plugin that is counted and needs no place of the node's: a policy's, which is part
/// of a request that has one.
pub(crate) struct Counted {
    plugin: Arc<PluginMeter>,
    _version: InFlight,
}

/// Counts such a call until dropped.
pub(crate) fn count(plugin: &Arc<PluginMeter>, version: InFlight) -> Counted {
    plugin.running().fetch_add(1, Ordering::Relaxed);
    Counted { plugin: plugin.clone(), _version: version }
}

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// Of the node.
    #[error("this node runs as many calls as it may")]
    Node,
    /// Of the plugin.
    #[error("this plugin runs as many calls at once as it may")]
    Plugin,
}

impl Admission {
    /// With nothing running.
    pub(crate) fn new(bounds: Calls, max_model_requests: u32) -> Self {
        Self { running: AtomicU32::new(0), bounds, model_requests: AtomicU32::new(0), max_model_requests }
    }

    /// Takes a place for a call of a plugin.
    pub(crate) fn admit(self: &Arc<Self>, plugin: &Arc<PluginMeter>, version: InFlight) -> Result<Permit, Full> {
        if !take(plugin.running(), self.bounds.max_concurrent_per_plugin) {
            return Err(Full::Plugin);
        }
        if !take(&self.running, self.bounds.max_concurrent) {
            plugin.running().fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Node);
        }
        Ok(Permit { admission: self.clone(), plugin: plugin.clone(), _version: version })
    }

    /// Takes a place for a caller's request of a model; none where all are taken.
    pub(crate) fn admit_model_request(self: &Arc<Self>) -> Option<ModelPermit> {
        take(&self.model_requests, self.max_model_requests).then(|| ModelPermit(self.clone()))
    }

    /// Requests of models that are under way.
    pub(crate) fn n_model_requests(&self) -> u32 {
        self.model_requests.load(Ordering::Relaxed)
    }

    /// Calls that run now.
    pub(crate) fn n_running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// Most calls that may.
    pub(crate) fn bounds(&self) -> Calls {
        self.bounds
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.plugin.running().fetch_sub(1, Ordering::Relaxed);
        self.admission.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for ModelPermit {
    fn drop(&mut self) {
        self.0.model_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.plugin.running().fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds one unless that would pass the bound. Two that meet at the bound may both be refused.
fn take(running: &AtomicU32, bound: u32) -> bool {
    let is_free = running.fetch_add(1, Ordering::Relaxed) < bound;
    if !is_free {
        running.fetch_sub(1, Ordering::Relaxed);
    }
    is_free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_passes_the_bound() {
        let running = AtomicU32::new(0);
        assert!(take(&running, 2));
        assert!(take(&running, 2));
        assert!(!take(&running, 2));
        running.fetch_sub(1, Ordering::Relaxed);
        assert!(take(&running, 2));
        assert!(!take(&running, 0));
    }
}
