use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sophia_domain::PluginName;
use sophia_sandbox::Spent;

use super::{Counter, Histogram};

/// How a call can end: well, with an error that the plugin gave, or with a fault.
pub(crate) const OUTCOMES: [&str; 24] = [
    "ok",
    "denied",
    "not-found",
    "invalid",
    "limited",
    "exhausted",
    "upstream",
    "timed-out",
    "cancelled",
    "unavailable",
    "other",
    "trap",
    "limit-memory",
    "limit-cpu",
    "limit-wall",
    "limit-stack",
    "limit-request",
    "limit-response",
    "limit-host-calls",
    "limit-handles",
    "contract",
    "busy",
    "host",
    "unlisted",
];

/// What is counted of one plugin, over all its versions.
#[derive(Debug)]
pub(crate) struct PluginMeter {
    name: PluginName,
    running: AtomicU32,
    calls: [Counter; OUTCOMES.len()],
    cpu_ns: Counter,
    host_calls: Counter,
    wall: Histogram,
}

impl PluginMeter {
    /// With nothing counted.
    pub(crate) fn new(name: PluginName) -> Self {
        Self {
            name,
            running: AtomicU32::new(0),
            calls: Default::default(),
            cpu_ns: Counter::default(),
            host_calls: Counter::default(),
            wall: Histogram::default(),
        }
    }

    /// Whose.
    pub(crate) fn name(&self) -> &PluginName {
        &self.name
    }

    /// Calls that run now. Admission counts them.
    pub(crate) fn running(&self) -> &AtomicU32 {
        &self.running
    }

    /// Counts a call that ended.
    pub(crate) fn called(&self, outcome: &str, spent: Spent) {
        let place = OUTCOMES.iter().position(|known| *known == outcome).unwrap_or(OUTCOMES.len() - 1);
        if let Some(counter) = self.calls.get(place) {
            counter.inc();
        }
        self.cpu_ns.add(u64::try_from(spent.cpu.as_nanos()).unwrap_or(u64::MAX));
        self.host_calls.add(u64::from(spent.host_calls));
        self.wall.observe(spent.wall);
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.calls.iter().map(Counter::get)).filter(|(_, count)| *count > 0)
    }

    pub(super) fn n_running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.get())
    }

    pub(super) fn n_host_calls(&self) -> u64 {
        self.host_calls.get()
    }

    pub(super) fn wall(&self) -> &Histogram {
        &self.wall
    }
}
