//! What plugins log: the last lines of each, kept for `/v1/plugins/{name}/logs`, and passed on
//! to the node's own log.
//!
//! Bounded twice, by lines and by bytes: a plugin that logs as much as it may in every call
//! keeps no more than [`MAX_BYTES`] here.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use jiff::Timestamp;
use serde::Serialize;
use sophia_domain::PluginName;
use sophia_sandbox::{LogLevel, LogLine, LogSink};

/// Lines kept of a plugin.
const MAX_LINES: usize = 1_000;
/// Bytes of text kept of a plugin.
const MAX_BYTES: usize = 256 << 10;

/// The last lines of every plugin. Built once at boot.
#[derive(Debug, Default)]
pub(crate) struct PluginLogs {
    plugins: RwLock<HashMap<PluginName, Arc<Mutex<Ring>>>>,
}

/// The last lines of one plugin, newest last.
#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<KeptLine>,
    n_bytes: usize,
    n_dropped: u64,
}

/// A line as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct KeptLine {
    at: Timestamp,
    level: &'static str,
    message: String,
    fields: BTreeMap<String, String>,
    request_id: String,
}

/// Lines of a plugin, and how many older ones are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tail {
    lines: Vec<KeptLine>,
    dropped: u64,
}

impl PluginLogs {
    /// The last lines of a plugin, oldest first.
    pub(crate) fn tail(&self, plugin: &PluginName, n_lines: usize) -> Tail {
        let ring = self.plugins.read().unwrap_or_else(PoisonError::into_inner).get(plugin).cloned();
        let Some(ring) = ring else { return Tail::default() };
        let ring = lock(&ring);
        let skipped = ring.lines.len().saturating_sub(n_lines);
        Tail { lines: ring.lines.iter().skip(skipped).cloned().collect(), dropped: ring.n_dropped }
    }

    /// Forgets a plugin that was deleted.
    pub(crate) fn forget(&self, plugin: &PluginName) {
        self.plugins.write().unwrap_or_else(PoisonError::into_inner).remove(plugin);
    }

    fn ring(&self, plugin: &PluginName) -> Arc<Mutex<Ring>> {
        let known = self.plugins.read().unwrap_or_else(PoisonError::into_inner).get(plugin).cloned();
        known.unwrap_or_else(|| {
            let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
            plugins.entry(plugin.clone()).or_default().clone()
        })
    }
}

impl LogSink for PluginLogs {
    fn line(&self, line: LogLine) {
        pass_on(&line);
        let kept = KeptLine {
            at: Timestamp::try_from(line.at).unwrap_or_default(),
            level: level(line.level),
            message: line.message,
            fields: line.fields.into_iter().collect(),
            request_id: line.request_id.to_string(),
        };
        lock(&self.ring(&line.plugin)).push(kept);
    }
}

impl Ring {
    fn push(&mut self, line: KeptLine) {
        self.n_bytes += line.n_bytes();
        self.lines.push_back(line);
        while self.lines.len() > MAX_LINES || self.n_bytes > MAX_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.n_bytes -= oldest.n_bytes();
            self.n_dropped += 1;
        }
    }
}

impl KeptLine {
    fn n_bytes(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(key, value)| key.len() + value.len()).sum();
        size_of::<Self>() + self.message.len() + fields
    }
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

/// A plugin's errors are its author's, not the operator's: nothing of it is more than a warning.
fn pass_on(line: &LogLine) {
    let (plugin, id, message, fields) = (&line.plugin, line.request_id, &line.message, &line.fields);
    match line.level {
        LogLevel::Debug => tracing::debug!(target: "plugin", %plugin, request_id = %id, ?fields, "{message:?}"),
        LogLevel::Info => tracing::info!(target: "plugin", %plugin, request_id = %id, ?fields, "{message:?}"),
        LogLevel::Warn | LogLevel::Error => {
            tracing::warn!(target: "plugin", %plugin, request_id = %id, ?fields, "{message:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use sophia_domain::{RequestId, TenantId};

    use super::*;

    fn line(message: String) -> LogLine {
        LogLine {
            tenant: TenantId::main(),
            plugin: "noisy".parse().unwrap(),
            request_id: RequestId::from_bits(1),
            level: LogLevel::Warn,
            message,
            fields: vec![("key".to_owned(), "value".to_owned())],
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn keeps_the_last_lines_and_counts_the_rest() {
        let logs = PluginLogs::default();
        for n in 0..MAX_LINES + 5 {
            logs.line(line(n.to_string()));
        }
        let tail = logs.tail(&"noisy".parse().unwrap(), 2);
        let messages: Vec<&str> = tail.lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["1003", "1004"]);
        assert!(tail.dropped >= 5);
    }

    #[test]
    fn keeps_no_more_bytes_than_it_may() {
        let logs = PluginLogs::default();
        for _ in 0..10 {
            logs.line(line("x".repeat(MAX_BYTES / 4)));
        }
        let tail = logs.tail(&"noisy".parse().unwrap(), MAX_LINES);
        assert_eq!(tail.lines.len(), 3);
        assert_eq!(tail.dropped, 7);
        logs.forget(&"noisy".parse().unwrap());
        assert_eq!(logs.tail(&"noisy".parse().unwrap(), MAX_LINES), Tail::default());
    }
}
