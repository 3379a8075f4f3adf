//! What `/metrics` says. Label values are bounded: routes, statuses and models are fixed lists.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::engine::Load;

/// Everything that is counted. Built once at start; copies share their numbers.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    tokens: Family<TokenLabels, Counter>,
    waited: Histogram,
    generated: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    model: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            tokens: Family::default(),
            waited: histogram(),
            generated: histogram(),
        }
    }
}

impl Metrics {
    /// Counts an answer, at its first byte.
    pub(crate) fn answered(&self, route: &'static str, status: u16, wall: Duration) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
        self.seconds.get_or_create(&RouteLabels { route }).observe(wall.as_secs_f64());
    }

    /// Counts the tokens of a finished request.
    pub(crate) fn used(&self, model: &'static str, prompt: usize, completion: usize) {
        for (kind, n) in [("prompt", prompt), ("completion", completion)] {
            let n = u64::try_from(n).unwrap_or(u64::MAX);
            self.tokens.get_or_create(&TokenLabels { model, kind }).inc_by(n);
        }
    }

    /// Counts how long a chat waited for its thread, and how long that took for it.
    pub(crate) fn generated(&self, waited: Duration, generated: Duration) {
        self.waited.observe(waited.as_secs_f64());
        self.generated.observe(generated.as_secs_f64());
    }

    /// Writes the page, in the OpenMetrics text format.
    pub(crate) fn page(&self, loads: &[Load]) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("sophia_worker");
        registry.register("requests", "Answers by route and status", self.requests.clone());
        registry.register("tokens", "Tokens of finished requests", self.tokens.clone());
        let times = "Time to the first byte of an answer";
        registry.register_with_unit("request", times, Unit::Seconds, self.seconds.clone());
        registry.register_with_unit("chat_queue", "Time in the queue", Unit::Seconds, self.waited.clone());
        registry.register_with_unit("chat", "Time on a thread", Unit::Seconds, self.generated.clone());
        let (waiting, running) = (Family::<ModelLabels, Gauge>::default(), Family::<ModelLabels, Gauge>::default());
        for load in loads {
            let labels = ModelLabels { model: load.model };
            waiting.get_or_create(&labels).set(level(load.waiting));
            running.get_or_create(&labels).set(level(load.running));
        }
        registry.register("queue_jobs", "Requests that wait for a thread", waiting);
        registry.register("running_jobs", "Requests that are computed", running);
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }
}

fn level(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// From a millisecond, what a small answer takes, to eight minutes, what the longest takes on a
/// slow machine.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_number() {
        let metrics = Metrics::default();
        metrics.answered("/v1/models", 200, Duration::from_millis(3));
        metrics.used("m", 5, 7);
        metrics.generated(Duration::ZERO, Duration::from_secs(2));
        let page = metrics.page(&[Load { model: "m", waiting: 2, running: 1 }]).unwrap();
        for line in [
            "sophia_worker_requests_total{route=\"/v1/models\",status=\"200\"} 1",
            "sophia_worker_tokens_total{model=\"m\",kind=\"completion\"} 7",
            "sophia_worker_request_seconds_bucket{le=\"0.004\",route=\"/v1/models\"} 1",
            "sophia_worker_chat_seconds_sum 2.0",
            "sophia_worker_queue_jobs{model=\"m\"} 2",
            "sophia_worker_running_jobs{model=\"m\"} 1",
        ] {
            assert!(page.lines().any(|written| written == line), "{line}\n{page}");
        }
    }
}
