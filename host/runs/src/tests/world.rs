//! A node's runs, with one key and one model.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use futures::FutureExt;
use sophia_domain::{Digest, Fault, TenantId, Usd};
use sophia_egress::{Egress, EgressConfig};
use sophia_ledger::{BudgetScope, Ledger};
use sophia_models::{
    Asker, Candidate, Decision, Models, Parts as ModelParts, RawConfig, Routing, RoutingFault, RoutingRequest,
};
use sophia_sandbox::{Agent, Answer, Done, HostCall, Outcome, PluginError, RunPort, Spent, SubStep};
use sophia_store::Store;
use sophia_vault::{MasterKey, Vault};
use tempfile::TempDir;

use super::worker::Worker;
use crate::{Order, Parts, RunRef, RunRow, Runs, RunsConfig, Work};

pub(super) struct World {
    pub(super) runs: Runs,
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    pub(super) models: Models,
    pub(super) worker: Worker,
    _dir: TempDir,
}

struct NoPolicy;

#[async_trait]
impl Routing for NoPolicy {
    async fn route(&self, _: &Asker, _: &RoutingRequest, _: &[Candidate]) -> Result<Option<Decision>, RoutingFault> {
        Ok(None)
    }
}

pub(super) const CONFIG: RunsConfig =
    RunsConfig { budget: Usd::dollars(1), max_budget: Usd::dollars(2), max_concurrent: 4 };

impl World {
    pub(super) async fn new() -> Self {
        let worker = Worker::start().await;
        let config = format!(
            r#"
            [[upstream]]
            name = "here"
            url = "http://{}/v1"
            kind = "worker"
            [[upstream.model]]
            id = "smol"
            classes = ["fast"]
            context_tokens = 4096
            max_output_tokens = 100
            price = {{ input = "$1", output = "$1" }}
            "#,
            worker.address
        );
        let config = toml::from_str::<RawConfig>(&config).unwrap().check().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let master = MasterKey::load_or_create(dir.path(), None).unwrap();
        let vault = Vault::open(store.clone(), "development", master).await.unwrap();
        let ledger = Ledger::open(store.clone()).await.unwrap();
        let egress = Egress::new(EgressConfig { named: config.named(), ..EgressConfig::default() }).unwrap();
        let parts = ModelParts { egress, vault: &vault, ledger: ledger.clone(), policy: Arc::new(NoPolicy) };
        let models = Models::new(config, parts);
        let runs = open(&store, &ledger, &models).await;
        Self { runs, ledger, store, models, worker, _dir: dir }
    }

    /// Begins a run that does this.
    pub(super) async fn begin<F>(&self, does: impl FnOnce(Arc<dyn RunPort>) -> F + Send + 'static) -> RunRow
    where
        F: Future<Output = Result<Result<Outcome, PluginError>, Fault>> + Send + 'static,
    {
        self.runs.start(order(), work(does)).await.unwrap().run
    }

    /// Waits until it has ended.
    pub(super) async fn end(&self, run: &RunRef) -> RunRow {
        if let Some(mut watch) = self.runs.watch(run) {
            while watch.changed().await.is_ok() {}
        }
        self.runs.get(run).await.unwrap().unwrap()
    }

    pub(super) fn budget(&self, run: &RunRef) -> Option<sophia_ledger::Budget> {
        self.ledger.budget(&BudgetScope::Run(run.tenant.clone(), run.id.clone()))
    }

    pub(super) async fn kinds(&self, run: &RunRef) -> Vec<String> {
        let events = self.runs.events(run, 0, 1_000).await.unwrap();
        assert!((1..).zip(&events).all(|(seq, event)| event.seq == seq), "{events:?}");
        events.into_iter().map(|event| event.kind).collect()
    }
}

pub(super) async fn open(store: &Store, ledger: &Ledger, models: &Models) -> Runs {
    let parts = Parts { store: store.clone(), ledger: ledger.clone(), models: models.clone(), config: CONFIG };
    Runs::open(parts).await.unwrap()
}

pub(super) fn order() -> Order {
    Order {
        tenant: TenantId::main(),
        key: "operator".into(),
        pattern: "swarm".parse().unwrap(),
        digest: Digest::of(b"code"),
        arguments: "{}".to_owned(),
        budget: None,
        idempotency_key: None,
        request_digest: Digest::of(b"request"),
        traceparent: None,
        place: Box::new(()),
    }
}

pub(super) fn work<F>(does: impl FnOnce(Arc<dyn RunPort>) -> F + Send + 'static) -> Work
where
    F: Future<Output = Result<Result<Outcome, PluginError>, Fault>> + Send + 'static,
{
    Box::new(move |port, _| {
        let doing = does(port);
        async move { Done { outcome: doing.await, spent: Spent::default() } }.boxed()
    })
}

pub(super) fn outcome(content: &str) -> Result<Result<Outcome, PluginError>, Fault> {
    Ok(Ok(Outcome { content: content.to_owned(), confidence: None }))
}

pub(super) fn agent(role: &str) -> Agent {
    Agent {
        role: role.to_owned(),
        instructions: String::new(),
        task: format!("the {role}'s task"),
        class: "fast".to_owned(),
        tools: Vec::new(),
        schema: None,
        budget: None,
    }
}

/// As the sandbox does it: an intent, the agent, and its answer.
pub(super) async fn drive(port: &Arc<dyn RunPort>, agent: Agent) -> Result<String, PluginError> {
    let step = port.begin(HostCall::Agents, vec![serde_json::json!(agent)]).await.unwrap();
    let at = SubStep { step, item: 0 };
    let done = port.agent(at, agent).await;
    let answer = Answer {
        record: serde_json::json!(done),
        model: None,
        usage: done.as_ref().ok().map(|done| done.usage),
        error: done.as_ref().err().cloned(),
    };
    port.end(at, answer).await.unwrap();
    done.map(|done| done.content)
}
