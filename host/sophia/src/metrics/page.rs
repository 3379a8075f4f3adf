//! The page itself, in the OpenMetrics text format.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use sophia_ledger::QuotaTotals;

use super::{Histogram, Metrics, ModelMeter, PluginMeter, Route};

/// Levels at the moment of asking.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauges {
    /// Connections that are open.
    pub(crate) connections: usize,
    /// Calls that run.
    pub(crate) running: u32,
    /// Callers' requests of models that are under way.
    pub(crate) model_requests: u32,
    /// Runs of patterns under way.
    pub(crate) runs: usize,
    /// Plugins that are live.
    pub(crate) plugins: usize,
    /// What limits of tenants and keys came to.
    pub(crate) limits: Vec<QuotaTotals>,
    /// Calls that were refused because what nodes share could not be reached.
    pub(crate) limits_lost: u64,
    /// Log and access lines that were dropped.
    pub(crate) lines_dropped: u64,
    /// Whether the node is stopping.
    pub(crate) is_draining: bool,
}

/// Writes the page.
pub(crate) fn page(metrics: &Arc<Metrics>, gauges: Gauges) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("sophia");
    registry.register_collector(Box::new(Page { metrics: metrics.clone(), gauges }));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct Page {
    metrics: Arc<Metrics>,
    gauges: Gauges,
}

type Labels<'a> = [(&'static str, &'a str)];

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_gauges(&mut encoder)?;
        self.encode_limits(&mut encoder)?;
        self.encode_routes(&mut encoder)?;
        self.encode_plugins(&mut encoder)?;
        self.encode_models(&mut encoder)
    }
}

impl Page {
    fn encode_gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let level = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let gauges = [
            ("connections", "Connections that are open.", level(self.gauges.connections)),
            ("calls_running", "Calls that run now.", i64::from(self.gauges.running)),
            ("model_requests_running", "Requests of models under way.", i64::from(self.gauges.model_requests)),
            ("runs_running", "Runs of patterns under way.", level(self.gauges.runs)),
            ("plugins", "Plugins that are live.", level(self.gauges.plugins)),
            ("draining", "1 while the node stops.", i64::from(self.gauges.is_draining)),
        ];
        for (name, help, value) in gauges {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        let counters = [
            ("calls_refused", "Calls that admission refused.", self.metrics.refused.get()),
            ("limits_lost", "Calls refused because a limit could not be counted.", self.gauges.limits_lost),
            ("webhook_events", "Events of webhooks that a plugin accepted.", self.metrics.webhook_events.get()),
            ("log_lines_dropped", "Log and access lines that were dropped.", self.gauges.lines_dropped),
        ];
        for (name, help, value) in counters {
            let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
        }
        let encoder = encoder.encode_descriptor(
            "overhead",
            "The node's own part of a request.",
            SECONDS,
            MetricType::Histogram,
        )?;
        encode_histogram(encoder, &self.metrics.overhead)
    }

    fn encode_limits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "What limits counted: requests, calls, tokens, micro-dollars; once a limit.";
        let mut used = encoder.encode_descriptor("limit_used", help, None, MetricType::Counter)?;
        for limits in &self.gauges.limits {
            encode_counter(&mut used, &[("kind", limits.kind.as_str())], limits.used)?;
        }
        let help = "Calls that a limit of a tenant or a key refused.";
        let mut refused = encoder.encode_descriptor("limit_refused", help, None, MetricType::Counter)?;
        for limits in &self.gauges.limits {
            encode_counter(&mut refused, &[("kind", limits.kind.as_str())], limits.refused)?;
        }
        Ok(())
    }

    fn encode_routes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let routes = || Route::ALL.into_iter().zip(&self.metrics.routes);
        let mut answers = encoder.encode_descriptor("http_answers", "Answers.", None, MetricType::Counter)?;
        for (route, meter) in routes() {
            for (class, counter) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(&meter.answers) {
                let labels: &Labels<'_> = &[("route", route.as_str()), ("status", class)];
                encode_counter(&mut answers, labels, counter.get())?;
            }
        }
        let help = "From the first byte read to the last one handed over.";
        let mut walls = encoder.encode_descriptor("http_request", help, SECONDS, MetricType::Histogram)?;
        for (route, meter) in routes() {
            let labels: &Labels<'_> = &[("route", route.as_str())];
            if meter.answers.iter().any(|counter| counter.get() > 0) {
                encode_histogram(walls.encode_family(&labels)?, &meter.wall)?;
            }
        }
        Ok(())
    }

    fn encode_plugins(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let plugins = self.metrics.plugins.load();
        let mut meters: Vec<&Arc<PluginMeter>> = plugins.values().collect();
        meters.sort_by(|a, b| a.name().cmp(b.name()));

        let mut calls = encoder.encode_descriptor("calls", "Calls by how they ended.", None, MetricType::Counter)?;
        for meter in &meters {
            for (outcome, count) in meter.outcomes() {
                let labels: &Labels<'_> = &[("plugin", meter.name().as_str()), ("outcome", outcome)];
                encode_counter(&mut calls, labels, count)?;
            }
        }
        let help = "Calls of a plugin that run now.";
        let mut running = encoder.encode_descriptor("plugin_calls_running", help, None, MetricType::Gauge)?;
        for meter in &meters {
            let labels: &Labels<'_> = &[("plugin", meter.name().as_str())];
            running.encode_family(&labels)?.encode_gauge(&i64::from(meter.n_running()))?;
        }
        let mut cpu = encoder.encode_descriptor("call_cpu", "Time computed.", SECONDS, MetricType::Counter)?;
        for meter in &meters {
            let labels: &Labels<'_> = &[("plugin", meter.name().as_str())];
            cpu.encode_family(&labels)?.encode_counter::<NoLabelSet, f64, u64>(&meter.cpu().as_secs_f64(), None)?;
        }
        let mut host_calls = encoder.encode_descriptor("host_calls", "Host calls made.", None, MetricType::Counter)?;
        for meter in &meters {
            let labels: &Labels<'_> = &[("plugin", meter.name().as_str())];
            encode_counter(&mut host_calls, labels, meter.n_host_calls())?;
        }
        let mut walls = encoder.encode_descriptor("call", "Time of a call in all.", SECONDS, MetricType::Histogram)?;
        for meter in &meters {
            let labels: &Labels<'_> = &[("plugin", meter.name().as_str())];
            encode_histogram(walls.encode_family(&labels)?, meter.wall())?;
        }
        Ok(())
    }
}

impl Page {
    /// Requests of callers; what plugins ask is in the ledger, under their names.
    fn encode_models(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "A policy's part of a request of a model.";
        let policy = encoder.encode_descriptor("policy", help, SECONDS, MetricType::Histogram)?;
        encode_histogram(policy, &self.metrics.policy)?;
        let models = self.metrics.models.load();
        let meters = || models.values().flat_map(|upstreams| upstreams.values());
        let help = "Answers of models by how they ended.";
        let mut answers = encoder.encode_descriptor("model_answers", help, None, MetricType::Counter)?;
        for meter in meters() {
            let [model, upstream] = labels(meter);
            for (outcome, count) in meter.outcomes() {
                let labels: &Labels<'_> = &[model, upstream, ("outcome", outcome)];
                encode_counter(&mut answers, labels, count)?;
            }
        }
        let mut tokens = encoder.encode_descriptor("model_tokens", "Tokens billed.", None, MetricType::Counter)?;
        for meter in meters() {
            let [model, upstream] = labels(meter);
            for (kind, count) in meter.tokens() {
                let labels: &Labels<'_> = &[model, upstream, ("kind", kind)];
                encode_counter(&mut tokens, labels, count)?;
            }
        }
        let help = "Millionths of a dollar billed.";
        let mut cost = encoder.encode_descriptor("model_cost_micro_usd", help, None, MetricType::Counter)?;
        for meter in meters() {
            let labels: &Labels<'_> = &labels(meter);
            encode_counter(&mut cost, labels, meter.cost_micros())?;
        }
        Ok(())
    }
}

fn labels(meter: &ModelMeter) -> [(&'static str, &str); 2] {
    [("model", meter.model()), ("upstream", meter.upstream())]
}

const SECONDS: Option<&Unit> = Some(&Unit::Seconds);

fn encode_counter(encoder: &mut MetricEncoder<'_>, labels: &Labels<'_>, value: u64) -> fmt::Result {
    encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

fn encode_histogram(mut encoder: MetricEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    let (sum, count, buckets) = histogram.read();
    encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;
    use sophia_sandbox::Spent;

    use super::*;

    #[test]
    fn names_what_was_counted() {
        let metrics = Arc::new(Metrics::default());
        metrics.answered(Route::ConnectorAct, 200, Duration::from_micros(30));
        let spent = Spent { cpu: Duration::from_millis(2), host_calls: 3, ..Spent::default() };
        metrics.plugin(&"echo".parse().unwrap()).called("ok", spent);
        metrics.plugin(&"echo".parse().unwrap()).called("trap", Spent::default());
        let page = page(&metrics, Gauges { connections: 2, ..Gauges::default() }).unwrap();
        let is_shown = |line: &&str| !line.starts_with('#') && !line.ends_with(" 0") && !line.contains("_bucket");
        let lines: Vec<&str> = page.lines().filter(is_shown).collect();
        expect![[r#"
            sophia_connections 2
            sophia_overhead_seconds_sum 0.0
            sophia_http_answers_total{route="connector.act",status="2xx"} 1
            sophia_http_request_seconds_sum{route="connector.act"} 0.00003
            sophia_http_request_seconds_count{route="connector.act"} 1
            sophia_calls_total{plugin="echo",outcome="ok"} 1
            sophia_calls_total{plugin="echo",outcome="trap"} 1
            sophia_call_cpu_seconds_total{plugin="echo"} 0.002
            sophia_host_calls_total{plugin="echo"} 3
            sophia_call_seconds_sum{plugin="echo"} 0.0
            sophia_call_seconds_count{plugin="echo"} 2
            sophia_policy_seconds_sum 0.0"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn ends_each_histogram_with_a_bucket_for_everything() {
        let metrics = Arc::new(Metrics::default());
        metrics.answered(Route::Health, 200, Duration::from_secs(400));
        let page = page(&metrics, Gauges::default()).unwrap();
        let last: Vec<&str> = page.lines().filter(|line| line.contains("le=\"+Inf\"")).collect();
        expect![[r#"
            sophia_overhead_seconds_bucket{le="+Inf"} 0
            sophia_http_request_seconds_bucket{le="+Inf",route="health"} 1
            sophia_policy_seconds_bucket{le="+Inf"} 0"#]]
        .assert_eq(&last.join("\n"));
        assert!(!page.contains("e308"), "{page}");
    }
}
