use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use sophia_egress::Egress;
use sophia_ledger::{ChargeKind, Draft, Ledger, Used};
use sophia_vault::Vault;

use crate::{
    Asker, Attempt, ChatAnswer, ChatRequest, ChatStream, Completion, CompletionRequest, CompletionStream, Config,
    EmbedRequest, Embeddings, ModelEntry, ModelError, ModelKind, OnFault, Routing, RoutingRequest,
    attempts::Attempts,
    fleet::{Fleet, Naming, Served},
    routing::{self, Unroutable},
    tab::Tab,
    upstream_error::Failure,
    usage::Bounds,
};

/// The way to every model. Built once at boot, or when what serves models changes; cheap to clone.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

pub(crate) struct Inner {
    fleet: Fleet,
    on_fault: OnFault,
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
    /// How long the upstream took: until the first event of a stream, or the whole answer. The
    /// rest of the time was this node's.
    pub waited: Duration,
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

/// As the contract says.
const MAX_REQUESTS: usize = 64;

/// Of `complete_all`, how many are under way together.
const MAX_AT_ONCE: usize = 8;

impl Models {
    /// Opens no connection yet.
    pub fn new(config: Config, parts: Parts<'_>) -> Self {
        let on_fault = config.on_fault;
        let fleet = Fleet::new(config, parts.vault);
        Self(Arc::new(Inner { fleet, on_fault, egress: parts.egress, ledger: parts.ledger, policy: parts.policy }))
    }

    /// What can be asked for: classes, then models, each once.
    pub fn list(&self) -> Vec<ModelEntry> {
        self.0.fleet.entries()
    }

    /// Answers a chat whole. Dropping the future gives it up, and bills its prompt.
    pub async fn chat(&self, asker: &Asker, request: &ChatRequest) -> Result<ChatAnswer, ModelError> {
        self.0.chat(asker, request, Naming::ClassOrModel).await
    }

    /// Answers a chat in pieces. The future is done once the first piece of the answer is there;
    /// until then another candidate is tried where one fails. Dropping the future or the stream
    /// gives the answer up, and bills the prompt and what was delivered.
    pub async fn chat_stream(&self, asker: &Asker, request: &ChatRequest) -> Result<ChatStream, ModelError> {
        self.0.chat_stream(asker, request, Naming::ClassOrModel).await
    }

    /// Embeds texts with one model. Dropping the future gives it up, and bills the texts.
    pub async fn embed(&self, asker: &Asker, request: &EmbedRequest) -> Result<Embeddings, ModelError> {
        self.0.embed(asker, request, Naming::ClassOrModel).await
    }

    /// Completes once, for a plugin: its class may be a class only.
    pub async fn complete(&self, asker: &Asker, request: CompletionRequest) -> Result<Completion, ModelError> {
        let request = request.into_chat(false)?;
        Ok(self.0.chat(asker, &request, Naming::Class).await?.into_completion())
    }

    /// Completes all, some at the same time; outcomes in the order asked. At most 64.
    pub async fn complete_all(
        &self,
        asker: &Asker,
        requests: Vec<CompletionRequest>,
    ) -> Vec<Result<Completion, ModelError>> {
        if requests.len() > MAX_REQUESTS {
            let message = format!("at most {MAX_REQUESTS} requests are completed together");
            return requests.iter().map(|_| Err(ModelError::invalid("requests", message.clone()))).collect();
        }
        let calls: Vec<_> = requests.into_iter().map(|request| self.complete(asker, request)).collect();
        futures::stream::iter(calls).buffered(MAX_AT_ONCE).collect().await
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
        self.0.embed(asker, &request, Naming::Class).await
    }
}

impl Inner {
    /// The candidates to try, in order.
    pub(crate) async fn plan(&self, asker: &Asker, ask: Ask<'_>) -> Result<Vec<Arc<Served>>, ModelError> {
        let found = self.fleet.find(ask.target, ask.naming, ask.kind)?;
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
        let decided = self.policy.route(asker, &request, &candidates).await;
        let order = routing::order(decided, self.on_fault, &candidates)?;
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
        };
        Tab::open(&self.ledger, draft, served.model.prices, bounds).await.map_err(Failure::Final)
    }
}

impl Receipt {
    pub(crate) fn new(served: &Served, used: Used, attempts: Attempts, waited: Duration) -> Self {
        Self {
            model: served.model.name.clone(),
            upstream: served.upstream.name.clone(),
            used,
            attempts: attempts.into_failed(),
            waited,
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
        f.debug_struct("Models").field("fleet", &self.0.fleet).finish_non_exhaustive()
    }
}
