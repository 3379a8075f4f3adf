//! The port of `models` to the policy that the operator granted.
//!
//! It asks the plugin that `[models] policy` names, or else the only live one that routes. Each
//! question is a call in a fresh instance, counted with the plugin's other calls. What goes wrong
//! is said in the log, with what to do; whether the request is served all the same is the
//! operator's `on_fault`.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use sophia_domain::{PluginName, RequestId, World};
use sophia_models::{Asker, Candidate, Decision, Health, Routing, RoutingFault, RoutingRequest};
use sophia_registry::{LivePlugin, Registry};
use sophia_sandbox::{self as sandbox, Call, Done, Hook};
use tracing::Instrument;

use crate::{
    admission,
    http::{problem::Failure, trace},
    metrics::{Metrics, PluginMeter},
};

/// Asks the policy that routes. Built at boot before the plugins, and wired when they are there.
pub(crate) struct PolicyRouting {
    named: Option<PluginName>,
    wired: OnceLock<Wired>,
}

struct Wired {
    registry: Registry,
    metrics: Arc<Metrics>,
}

impl PolicyRouting {
    /// With the policy that the operator names, if one is named.
    pub(crate) fn new(named: Option<PluginName>) -> Self {
        Self { named, wired: OnceLock::new() }
    }

    /// Says where plugins are. Until then nothing asks.
    pub(crate) fn wire(&self, registry: Registry, metrics: Arc<Metrics>) {
        // Composition does this once.
        let _ = self.wired.set(Wired { registry, metrics });
    }

    /// The policy to ask; none where none is live and none is named.
    fn policy(&self, registry: &Registry) -> Result<Option<Arc<LivePlugin>>, RoutingFault> {
        let live = registry.live();
        if let Some(name) = &self.named {
            let plugin = live.plugin(name.as_str()).filter(|plugin| routes(plugin)).cloned();
            return plugin.map(Some).ok_or_else(|| not_live(name));
        }
        let mut policies = live.plugins().filter(|plugin| routes(plugin));
        let first = policies.next().cloned();
        if let (Some(one), Some(other)) = (&first, policies.next()) {
            return Err(several(&one.name, &other.name));
        }
        Ok(first)
    }
}

#[async_trait]
impl Routing for PolicyRouting {
    async fn route(
        &self,
        asker: &Asker,
        request: &RoutingRequest,
        candidates: &[Candidate],
    ) -> Result<Option<Decision>, RoutingFault> {
        let wired = self.wired.get().ok_or(RoutingFault)?;
        let Some(plugin) = self.policy(&wired.registry)? else { return Ok(None) };
        let meter = wired.metrics.plugin(&plugin.name);
        let _counted = admission::count(&meter, plugin.enter());
        let call = prepare(asker, &plugin);
        let request_id = call.request_id;
        let asked = plugin.program.route(call, in_the_contract(request), candidates.iter().map(candidate).collect());
        let done = asked.instrument(span(&plugin)).await;
        decided(&plugin, &meter, done, request_id).map(Some)
    }
}

fn routes(plugin: &LivePlugin) -> bool {
    plugin.world == World::Policy && plugin.surface.hooks.contains(&Hook::Routing)
}

fn not_live(policy: &PluginName) -> RoutingFault {
    tracing::error!(%policy, "the policy of `[models] policy` is not live or does not route: upload it and grant what it asks for, or name another");
    RoutingFault
}

fn several(one: &PluginName, other: &PluginName) -> RoutingFault {
    tracing::error!(%one, %other, "several live policies route: name the one that decides as `[models] policy`, or delete the others");
    RoutingFault
}

fn prepare(asker: &Asker, plugin: &LivePlugin) -> Call {
    let connection = plugin.default_connection();
    let traced = asker.traceparent.as_ref().and_then(trace::request_id);
    Call {
        tenant: plugin.tenant.clone(),
        key: asker.key.clone(),
        plugin: plugin.name.clone(),
        connection: None,
        request_id: traced.unwrap_or_else(|| RequestId::from_bits(fastrand::u128(..))),
        traceparent: asker.traceparent.clone(),
        limits: plugin.limits,
        rights: connection.rights.clone(),
        config: connection.config.clone(),
        secrets: connection.secrets.clone(),
        classes: plugin.classes_for(None),
        run: None,
    }
}

fn span(plugin: &LivePlugin) -> tracing::Span {
    tracing::info_span!("policy", otel.name = "policy", sophia.plugin = plugin.name.as_str(), sophia.digest = %plugin.digest)
}

/// Counts the call, and says what went wrong.
fn decided(
    plugin: &LivePlugin,
    meter: &PluginMeter,
    done: Done<sandbox::Decision>,
    request_id: RequestId,
) -> Result<Decision, RoutingFault> {
    let failure = match done.outcome {
        Ok(Ok(decision)) => {
            meter.called("ok", done.spent);
            return Ok(match decision {
                sandbox::Decision::Order(ids) => Decision::Order(ids),
                sandbox::Decision::Refuse(text) => Decision::Refuse(text),
            });
        }
        Ok(Err(error)) => Failure::Plugin(error),
        Err(fault) => Failure::Fault(fault),
    };
    meter.called(failure.kind(), done.spent);
    let policy = &plugin.name;
    tracing::error!(%policy, %request_id, %failure, "the routing policy failed: mend it or roll it back; `on_fault` decides until then");
    Err(RoutingFault)
}

fn in_the_contract(request: &RoutingRequest) -> sandbox::RoutingRequest {
    sandbox::RoutingRequest {
        class: request.class.clone(),
        input_tokens: request.input_tokens,
        max_output_tokens: request.max_output_tokens,
        streamed: request.is_streamed,
        budget_micro_usd: request.budget.map(|budget| budget.micros()),
    }
}

fn candidate(candidate: &Candidate) -> sandbox::Candidate {
    sandbox::Candidate {
        id: candidate.id.clone(),
        model: candidate.model.clone(),
        health: match candidate.health {
            Health::Healthy => sandbox::Health::Healthy,
            Health::Degraded => sandbox::Health::Degraded,
            Health::Down => sandbox::Health::Down,
        },
        latency_ms: candidate.latency_ms,
        queue: candidate.queue,
        input_price_micro_usd: candidate.prices.input.micro_usd_per_million,
        output_price_micro_usd: candidate.prices.output.micro_usd_per_million,
    }
}
