//! A node's models with one key, and what it was charged.

use std::sync::Arc;

use async_trait::async_trait;
use sophia_domain::{Scope, TenantId, Tokens, Usd};
use sophia_egress::{Egress, EgressConfig};
use sophia_ledger::{BudgetScope, ChargeFilter, Ledger, NewCharge, Outcome};
use sophia_store::Store;
use sophia_vault::{MasterKey, SecretValue, Vault};
use tempfile::TempDir;

use crate::{
    Asker, Candidate, ChatRequest, ChatStream, Decision, ModelError, Models, Parts, RawConfig, Routing, RoutingFault,
    RoutingRequest, StreamEvent,
};

pub(super) struct World {
    pub(super) models: Models,
    pub(super) ledger: Ledger,
    pub(super) asker: Asker,
    _dir: TempDir,
}

pub(super) const SECRET: &str = "sk-5f2a-very-secret";

/// Lets a policy be a closure; one that gives nothing is none.
pub(super) struct Policy<F>(pub(super) F);

type Decided = Result<Option<Decision>, RoutingFault>;

#[async_trait]
impl<F: Fn(&RoutingRequest, &[Candidate]) -> Decided + Send + Sync> Routing for Policy<F> {
    async fn route(&self, _: &Asker, request: &RoutingRequest, candidates: &[Candidate]) -> Decided {
        (self.0)(request, candidates)
    }
}

impl World {
    /// With these upstreams, in the operator's words, and no policy.
    pub(super) async fn new(config: &str) -> Self {
        Self::with_policy(config, Policy(|_: &RoutingRequest, _: &[Candidate]| Ok(None))).await
    }

    pub(super) async fn with_policy(config: &str, policy: impl Routing + 'static) -> Self {
        let config = toml::from_str::<RawConfig>(config).unwrap().check().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let master = MasterKey::load_or_create(dir.path(), None).unwrap();
        let vault = Vault::open(store.clone(), "development", master).await.unwrap();
        let anywhere = Scope::new(vec!["http://*:*/*".parse().unwrap()]);
        let secret = SecretValue::new(SECRET).unwrap();
        vault.set(&TenantId::main(), &"upstream".parse().unwrap(), secret, anywhere).await.unwrap();
        let ledger = Ledger::open(store).await.unwrap();
        let egress = Egress::new(EgressConfig { named: config.named(), ..EgressConfig::default() }).unwrap();
        let parts = Parts { egress, vault: &vault, ledger: ledger.clone(), policy: Arc::new(policy) };
        let asker = Asker {
            tenant: TenantId::main(),
            key: "k1".into(),
            plugin: None,
            run: None,
            most: None,
            traceparent: None,
        };
        Self { models: Models::new(config, parts), ledger, asker, _dir: dir }
    }

    /// Limits what the tenant may spend.
    pub(super) async fn limit(&self, micros: u64) {
        self.ledger.set_budget(self.scope(), Usd::from_micros(micros)).await.unwrap();
    }

    pub(super) fn scope(&self) -> BudgetScope {
        BudgetScope::Tenant(self.asker.tenant.clone())
    }

    /// Every charge, oldest first. All calls that ended are among them.
    pub(super) async fn charges(&self) -> Vec<NewCharge> {
        let mut rows = self.ledger.charges(&ChargeFilter::default(), None, 1000).await.unwrap();
        rows.reverse();
        rows.into_iter().map(|row| row.charge).collect()
    }

    /// The charges of calls that cost something.
    pub(super) async fn bills(&self) -> Vec<Billed> {
        let charges = self.charges().await;
        charges.iter().filter(|charge| charge.tokens != Tokens::default()).map(Billed::new).collect()
    }

    pub(super) async fn chat(&self, request: &str) -> Result<crate::ChatAnswer, ModelError> {
        Ok(self.models.chat(&self.asker, &ChatRequest::parse(request.as_bytes())?).await?)
    }

    pub(super) async fn stream(&self, request: &str) -> Result<ChatStream, ModelError> {
        Ok(self.models.chat_stream(&self.asker, &ChatRequest::parse(request.as_bytes())?).await?)
    }
}

/// What a charge says in few words: tokens of the prompt, tokens generated, whether estimated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Billed {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) is_estimated: bool,
}

impl Billed {
    fn new(charge: &NewCharge) -> Self {
        assert_ne!(charge.outcome, Outcome::OverHold, "{charge:?}");
        let Tokens { input, output, .. } = charge.tokens;
        // As `worker` prices them.
        assert_eq!(charge.cost.micros(), input + 2 * output, "{charge:?}");
        Self { input, output, is_estimated: charge.is_estimated }
    }
}

pub(super) fn exactly(input: u64, output: u64) -> Billed {
    Billed { input, output, is_estimated: false }
}

pub(super) fn about(input: u64, output: u64) -> Billed {
    Billed { input, output, is_estimated: true }
}

/// `[[upstream]]` with a chat model `smol` of the class `fast` and an embedding model `mini`, at
/// $1 a million tokens of input and $2 of output. `more` is put into it.
pub(super) fn worker(name: &str, url: &str, more: &str) -> String {
    format!(
        r#"
        [[upstream]]
        name = "{name}"
        url = "{url}"
        kind = "worker"
        tokenizer = true
        {more}
        [[upstream.model]]
        id = "/weights/smol"
        name = "smol"
        classes = ["fast"]
        context_tokens = 4096
        max_output_tokens = 100
        price = {{ input = "$1", output = "$2" }}
        [[upstream.model]]
        id = "/weights/mini"
        name = "mini"
        classes = ["embed"]
        kind = "embedding"
        context_tokens = 256
        price = {{ input = "$1", output = "$2" }}
        "#
    )
}

pub(super) const CHAT: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hello"}]}"#;

pub(super) const STREAM: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hello"}],"stream":true}"#;

/// Everything a stream gives: its text, and how it ended.
pub(super) async fn read(stream: &mut ChatStream) -> (String, Result<(), ModelError>) {
    let mut whole = String::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(StreamEvent::Delta { text, .. }) => whole.push_str(&text),
            Ok(_) => {}
            Err(error) => return (whole, Err(error)),
        }
    }
    (whole, Ok(()))
}
