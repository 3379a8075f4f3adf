//! What `/metrics` says.
//!
//! Counters are atomics that a call reaches without a hash or a lock: those of a route stand in
//! an array, those of a plugin in its [`PluginMeter`], found once a call. Label values are
//! bounded: routes and outcomes are fixed lists, plugins are those that exist.

mod histogram;
mod model;
mod page;
mod plugin;
mod route;

pub(crate) use histogram::Histogram;
pub(crate) use model::{CANCELLED, ModelMeter};
pub(crate) use page::{Gauges, page};
pub(crate) use plugin::PluginMeter;
pub(crate) use route::Route;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use sophia_domain::PluginName;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    /// Adds some.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// What it has come to.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted. Built once at boot.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    routes: [RouteMeter; Route::ALL.len()],
    /// What the node itself took of a request.
    pub(crate) overhead: Histogram,
    /// Calls that admission refused.
    pub(crate) refused: Counter,
    /// Webhook events that a plugin accepted.
    pub(crate) webhook_events: Counter,
    /// What policies took to decide, within requests of models.
    pub(crate) policy: Histogram,
    plugins: ArcSwap<HashMap<PluginName, Arc<PluginMeter>>>,
    models: ArcSwap<Models>,
}

/// By the model's name, then its upstream's: both stand in the configuration, or come from a worker.
type Models = BTreeMap<String, BTreeMap<String, Arc<ModelMeter>>>;

/// What is counted of a route.
#[derive(Debug, Default)]
struct RouteMeter {
    /// Answers by the first digit of their status, 1 to 5.
    answers: [Counter; 5],
    wall: Histogram,
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, route: Route, status: u16, wall: Duration) {
        let Some(meter) = self.routes.get(route as usize) else { return };
        if let Some(counter) = meter.answers.get(usize::from(status / 100).saturating_sub(1)) {
            counter.inc();
        }
        meter.wall.observe(wall);
    }

    /// The meter of a plugin that exists; made at its first call.
    pub(crate) fn plugin(&self, name: &PluginName) -> Arc<PluginMeter> {
        if let Some(meter) = self.plugins.load().get(name) {
            return meter.clone();
        }
        let new = Arc::new(PluginMeter::new(name.clone()));
        self.plugins.rcu(|plugins| {
            let mut plugins = HashMap::clone(plugins);
            plugins.entry(name.clone()).or_insert_with(|| new.clone());
            plugins
        });
        self.plugins.load().get(name).cloned().unwrap_or(new)
    }

    /// The meter of a model of an upstream; made at its first answer.
    pub(crate) fn model(&self, model: &str, upstream: &str) -> Arc<ModelMeter> {
        let find = |models: &Models| models.get(model).and_then(|upstreams| upstreams.get(upstream)).cloned();
        if let Some(meter) = find(&self.models.load()) {
            return meter;
        }
        let new = Arc::new(ModelMeter::new(model, upstream));
        self.models.rcu(|models| {
            let mut models = Models::clone(models);
            let upstreams = models.entry(model.to_owned()).or_default();
            upstreams.entry(upstream.to_owned()).or_insert_with(|| new.clone());
            models
        });
        find(&self.models.load()).unwrap_or(new)
    }

    /// Forgets plugins that are gone, so that names do not pile up.
    pub(crate) fn retain(&self, is_there: impl Fn(&PluginName) -> bool) {
        if self.plugins.load().keys().all(&is_there) {
            return;
        }
        self.plugins.rcu(|plugins| {
            let mut plugins = HashMap::clone(plugins);
            plugins.retain(|name, _| is_there(name));
            plugins
        });
    }
}
