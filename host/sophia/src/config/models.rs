//! `[models]`: who serves models, who decides between them, how many requests are under way.

use sophia_domain::{ByteSize, Environment, PluginName};
use sophia_models::WorkerUrl;

use super::{check::Check, checked::ModelRoutes, raw::RawModels};
use crate::machine;

/// Where `sophia-worker` listens by default.
const DEFAULT_WORKER: &str = "http://127.0.0.1:8081";
/// Turns the look-out for a worker off.
const OFF: &str = "off";
/// What a request of a model usually occupies: its prompt and its answer, each some hundred kB.
const USUAL_REQUEST_MEMORY: ByteSize = ByteSize::mib(1);
/// More than the workers behind one node answer at the same time.
const MAX_DEFAULT_CONCURRENT: u64 = 1_024;
/// Requests mostly wait, so that even a small node holds as many.
const MIN_DEFAULT_CONCURRENT: u64 = 64;

impl Check {
    pub(super) fn models(&mut self, raw: RawModels, environment: Environment) -> ModelRoutes {
        let RawModels { policy, max_concurrent, worker_url, on_fault, upstream } = raw;
        let names_upstreams = !upstream.is_empty();
        let checked = sophia_models::RawConfig { on_fault, upstream }.check();
        let upstreams = checked.unwrap_or_else(|complaints| {
            for complaint in complaints {
                self.complain(&format!("models.upstream `{}`", complaint.place), complaint.what);
            }
            sophia_models::Config::default()
        });
        // A quarter of the memory; the rest is for calls, code and connections.
        let usual = machine::memory().0 / 4 / USUAL_REQUEST_MEMORY.0;
        let default = u32::try_from(usual.clamp(MIN_DEFAULT_CONCURRENT, MAX_DEFAULT_CONCURRENT)).unwrap_or(u32::MAX);
        ModelRoutes {
            upstreams,
            policy: self.plugin_name("models.policy", policy),
            max_concurrent: self.at_least_one("models.max_concurrent", max_concurrent.unwrap_or(default)),
            worker: self.worker(worker_url, environment == Environment::Development && !names_upstreams),
        }
    }

    fn plugin_name(&mut self, setting: &str, text: Option<String>) -> Option<PluginName> {
        let name = text?.parse();
        name.map_err(|wrong| self.complain(setting, wrong)).ok()
    }

    /// Where a worker is looked for, if it is.
    fn worker(&mut self, text: Option<String>, is_looked_for: bool) -> Option<WorkerUrl> {
        let text = text.filter(|text| !text.is_empty());
        if text.as_deref() == Some(OFF) || text.is_none() && !is_looked_for {
            return None;
        }
        let setting = "models.worker_url";
        if !is_looked_for {
            let wrong = "a worker is only looked for in development and where no upstream is named: \
                         name it as `[[models.upstream]]`, or write `off`";
            self.complain(setting, wrong);
        }
        let url = text.as_deref().unwrap_or(DEFAULT_WORKER).parse();
        url.map_err(|wrong| self.complain(setting, wrong)).ok()
    }
}
