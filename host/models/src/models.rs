use std::{fmt, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use sophia_egress::Egress;
use sophia_ledger::{ChargeKind, Draft, Ledger, Used};
use sophia_vault::Vault;

use crate::{
    Asker, Attempt, ChatAnswer, ChatRequest, ChatStream, Completion, CompletionRequest, CompletionStream, Config,
    EmbedRequest, Embeddings, ModelEntry, ModelError, ModelKind, NoWorker, Routing, RoutingRequest, Trip, Unanswered,
    UpstreamEntry, WorkerUrl,
    attempts::Attempts,
    fleet::{Fleet, Naming, Served},
    routing::{self, Unroutable},
    tab::Tab,
    upstream_error::Failure,
    usage::Bounds,
    worker,
};

/// The way to every model. Built once at boot; cheap to clone, the clones share it.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

pub(crate) struct Inner {
    /// Replaced when what serves models changes; a request ends with what it began with.
    fleet: ArcSwap<Fleet>,
    vault: Vault,
    pub(crate) egress: Egress,
    ledger: Ledger,
    policy: Arc<dyn Routing>,
}

/// What models are reached and paid with.
pub struct Parts<'a> {
    /// An egress of its own, whose `named` are [`Config::named`]: what a worker's private address
    /// is to this room, it must not be to a plugin.
    pub egress: Egress,
    /// Where the secrets of upstreams rest.
    pub vault: &'a Vault,
    /// Who holds the money.
    pub ledger: Ledger,
    /// Who asks the policy.
    pub policy: Arc<dyn Routing>,
}

/// How an answer came about. One per answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The model's name.
    pub model: String,
    /// The provider or worker.
    pub upstream: String,
    /// What is billed.
    pub used: Used,
    /// The candidates that were tried before, in order.
    pub attempts: Vec<Attempt>,
    /// Where the time went. The rest of it was this node's.
    pub trip: Trip,
}

/// What a request is to the policy.
pub(crate) struct Ask<'a> {
    pub(crate) target: &'a str,
    pub(crate) naming: Naming,
    pub(crate) kind: ModelKind,
    pub(crate) input_tokens: u64,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) is_streamed: bool,
}

impl Models {
    /// Opens no connection yet.
    pub fn new(config: Config, parts: Parts<'_>) -> Self {
        let Parts { egress, vault, ledger, policy } = parts;
        let fleet = ArcSwap::from_pointee(Fleet::new(config, vault));
        Self(Arc::new(Inner { fleet, vault: vault.clone(), egress, ledger, policy }))
    }

    /// Serves what another configuration says from now on. What is known of the health of
    /// upstreams begins anew; requests under way end where they began.
    pub fn replace(&self, config: Config) {
        self.0.fleet.store(Arc::new(Fleet::new(config, &self.0.vault)));
    }

    /// Asks whether a `sophia-worker` is there, and gives the configuration that serves what it
    /// has. Takes two seconds at most.
    pub async fn look_for_worker(&self, url: &WorkerUrl) -> Result<Config, NoWorker> {
        let found = worker::look(&self.0.egress, url).await?;
        Ok(Config { on_fault: self.0.fleet.load().on_fault, ..found })
    }

    /// What can be asked for: classes, then models, each once.
    pub fn list(&self) -> Vec<ModelEntry> {
        self.0.fleet.load().entries()
    }

    /// Who serves, and what; in the order of the configuration.
    pub fn upstreams(&self) -> Vec<UpstreamEntry> {
        self.0.fleet.load().upstreams()
    }

    /// Answers a chat whole. Dropping the future gives it up, and bills its prompt.
    pub async fn chat(&self, asker: &Asker, request: &ChatRequest) -> Result<ChatAnswer, Unanswered> {
        self.0.chat(asker, request, Naming::ClassOrModel).await
    }

    /// Answers a chat in pieces. The future is done once the first piece of the answer is there;
    /// until then another candidate is tried where one fails. Dropping the future or the stream
    /// gives the answer up, and bills the prompt and what was delivered.
    pub async fn chat_stream(&self, asker: &Asker, request: &ChatRequest) -> Result<ChatStream, Unanswered> {
        self.0.chat_stream(asker, request, Naming::ClassOrModel).await
    }

    /// Embeds texts with one model. Dropping the future gives it up, and bills the texts.
    pub async fn embed(&self, asker: &Asker, request: &EmbedRequest) -> Result<Embeddings, Unanswered> {
        self.0.embed(asker, request, Naming::ClassOrModel).await
    }

    /// Completes once, for a plugin: its class may be a class only.
    pub async fn complete(&self, asker: &Asker, request: CompletionRequest) -> Result<Completion, ModelError> {
        let request = request.into_chat(false)?;
        Ok(self.0.chat(asker, &request, Naming::Class).await?.into_completion())
    }

    /// Starts a streamed completion for a plugin.
    pub async fn open_stream(&self, asker: &Asker, request: CompletionRequest) -> Result<CompletionStream, ModelError> {
        let request = request.into_chat(true)?;
        Ok(CompletionStream::new(self.0.chat_stream(asker, &request, Naming::Class).await?))
    }

    /// Embeds a plugin's texts with one model of a class: all vectors, or an error.
    pub async fn embed_texts(
        &self,
        asker: &Asker,
        class: String,
        texts: Vec<String>,
    ) -> Result<Embeddings, ModelError> {
        let request = EmbedRequest::of_texts(class, texts)?;
        Ok(self.0.embed(asker, &request, Naming::Class).await?)
    }
}

impl Inner {
    /// The candidates to try, in order.
    pub(crate) async fn plan(
        &self,
        asker: &Asker,
        ask: Ask<'_>,
        trip: &mut Trip,
    ) -> Result<Vec<Arc<Served>>, ModelError> {
        let fleet = self.fleet.load_full();
        let found = fleet.find(ask.target, ask.naming, ask.kind)?;
        let now = Instant::now();
        let candidates: Vec<_> = found.iter().map(|served| served.candidate(now)).collect();
        let longest = found.iter().map(|served| served.model.max_output_tokens).max().unwrap_or_default();
        let request = RoutingRequest {
            class: ask.target.to_owned(),
            input_tokens: ask.input_tokens,
            max_output_tokens: match ask.kind {
                ModelKind::Chat => ask.max_output_tokens.unwrap_or(longest).min(longest),
                ModelKind::Embedding => 0,
            },
            is_streamed: ask.is_streamed,
            budget: asker.left(&self.ledger),
        };
        let asked = Instant::now();
        let decided = self.policy.route(asker, &request, &candidates).await;
        trip.policy = (decided != Ok(None)).then(|| asked.elapsed());
        let order = routing::order(decided, fleet.on_fault, &candidates)?;
        Ok(order.into_iter().filter_map(|place| found.get(place).cloned()).collect())
    }

    /// Holds the money for one attempt.
    pub(crate) async fn open_tab(
        &self,
        asker: &Asker,
        class: &str,
        served: &Served,
        bounds: Bounds,
    ) -> Result<Tab, Failure> {
        let upper = served.model.prices.upper_bound(bounds.input, bounds.output);
        let upper = upper.map_err(|_| Failure::Final(ModelError::too_dear()))?;
        if let Some(most) = asker.most.filter(|most| upper > *most) {
            return Err(Failure::Final(ModelError::Capped { most, upper }));
        }
        let draft = Draft {
            tenant: asker.tenant.clone(),
            key: asker.key.clone(),
            plugin: asker.plugin.clone(),
            run: asker.run.clone(),
            model: served.model.name.clone(),
            class: class.to_owned(),
            kind: match served.model.kind {
                ModelKind::Chat => ChargeKind::Completion,
                ModelKind::Embedding => ChargeKind::Embedding,
            },
            most_tokens: bounds.input.saturating_add(bounds.output),
        };
        Tab::open(&self.ledger, draft, served.model.prices, bounds).await.map_err(Failure::Final)
    }
}

impl Receipt {
    pub(crate) fn new(served: &Served, used: Used, attempts: Attempts, trip: Trip) -> Self {
        Self {
            model: served.model.name.clone(),
            upstream: served.upstream.name.clone(),
            used,
            attempts: attempts.into_failed(),
            trip,
        }
    }
}

impl From<Unroutable> for ModelError {
    fn from(unroutable: Unroutable) -> Self {
        match unroutable {
            Unroutable::Refused(reason) => Self::Refused { reason },
            Unroutable::Fault => Self::PolicyFailed,
            Unroutable::AllDown => Self::Down,
        }
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").field("fleet", &self.0.fleet.load()).finish_non_exhaustive()
    }
}
