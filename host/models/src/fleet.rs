//! What serves models: upstreams, their models, and which of them could answer a request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};
use sophia_domain::TenantId;
use sophia_egress::{Credential, Rights};
use sophia_vault::{Injection, Vault};

use crate::{
    Candidate, ModelError, ModelKind, OnFault, UpstreamKind,
    base::Base,
    config::{Config, ModelConfig, UpstreamConfig, UsageReports},
    latency::Latency,
    pulse::Pulse,
    usage::Bounds,
};

/// All of it. Built at boot, and again when what serves models changes.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// What happens with a request whose policy did not decide.
    pub(crate) on_fault: OnFault,
    served: Vec<Arc<Served>>,
}

/// A provider or worker.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) kind: UpstreamKind,
    pub(crate) first_token: Duration,
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
    /// What may be sent there: its own API and nothing else, with its secret.
    pub(crate) rights: Rights,
    pub(crate) pulse: Pulse,
    /// What a stream is asked to say about what it used.
    pub(crate) stream_options: Value,
    has_tokenizer: bool,
    base: Base,
}

/// A model of an upstream.
#[derive(Debug)]
pub(crate) struct Served {
    /// What a decision names it by.
    pub(crate) id: String,
    pub(crate) model: ModelConfig,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) latency: Latency,
}

/// A model that can be asked for, as `GET /v1/models` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// Its name, or a class's.
    pub id: String,
    /// Who serves it: the name of its first upstream, or `sophia` for a class.
    pub owned_by: String,
}

/// A provider or worker, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpstreamEntry {
    /// Names it in candidates, the ledger and errors.
    pub name: String,
    /// Whose machine it is.
    pub kind: UpstreamKind,
    /// What it serves.
    pub models: Vec<ServedEntry>,
}

/// A model of an upstream, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServedEntry {
    /// Its name here.
    pub name: String,
    /// What it makes.
    pub kind: ModelKind,
    /// The classes that it belongs to.
    pub classes: Vec<String>,
}

/// What a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// A class only: a plugin asks by class, never by address.
    Class,
    /// A class or a model.
    ClassOrModel,
}

/// A prompt's tokens, and how they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PromptTokens {
    /// The upstream's tokenizer counted them.
    Counted(u64),
    /// No more than these.
    Bounded(u64),
}

/// A worker may put a mark or two around a prompt that its tokenizer does not count.
const COUNT_SLACK: u64 = 8;

impl Fleet {
    pub(crate) fn new(config: Config, vault: &Vault) -> Self {
        let mut served = Vec::new();
        for mut upstream in config.upstreams {
            let models = std::mem::take(&mut upstream.models);
            let upstream = Arc::new(Upstream::new(upstream, vault));
            for model in models {
                let id = format!("{}/{}", upstream.name, model.name);
                served.push(Arc::new(Served { id, model, upstream: upstream.clone(), latency: Latency::default() }));
            }
        }
        Self { on_fault: config.on_fault, served }
    }

    /// What could answer, in the order of the configuration.
    pub(crate) fn find(&self, target: &str, naming: Naming, kind: ModelKind) -> Result<Vec<Arc<Served>>, ModelError> {
        let is_meant = |model: &ModelConfig| {
            model.classes.iter().any(|class| class == target) || naming == Naming::ClassOrModel && model.name == target
        };
        let found = self.served.iter().filter(|served| served.model.kind == kind && is_meant(&served.model));
        let found: Vec<_> = found.cloned().collect();
        if found.is_empty() {
            return Err(ModelError::Unknown { name: crate::fields::shortened(target) });
        }
        Ok(found)
    }

    /// Classes first, then models, each once and in the order of the configuration.
    pub(crate) fn entries(&self) -> Vec<ModelEntry> {
        let classes = self.served.iter().flat_map(|served| &served.model.classes);
        let classes = classes.map(|class| ModelEntry { id: class.clone(), owned_by: "sophia".to_owned() });
        let models = self
            .served
            .iter()
            .map(|served| ModelEntry { id: served.model.name.clone(), owned_by: served.upstream.name.clone() });
        let mut entries: Vec<ModelEntry> = Vec::new();
        for entry in classes.chain(models) {
            if entries.iter().all(|earlier| earlier.id != entry.id) {
                entries.push(entry);
            }
        }
        entries
    }

    /// Upstreams with what they serve, in the order of the configuration. One that serves nothing
    /// is not among them.
    pub(crate) fn upstreams(&self) -> Vec<UpstreamEntry> {
        let mut upstreams: Vec<UpstreamEntry> = Vec::new();
        for served in &self.served {
            let Upstream { name, kind, .. } = &*served.upstream;
            let ModelConfig { name: model, kind: makes, classes, .. } = &served.model;
            let entry = ServedEntry { name: model.clone(), kind: *makes, classes: classes.clone() };
            match upstreams.last_mut().filter(|last| last.name == *name) {
                Some(last) => last.models.push(entry),
                None => upstreams.push(UpstreamEntry { name: name.clone(), kind: *kind, models: vec![entry] }),
            }
        }
        upstreams
    }
}

impl Upstream {
    fn new(config: UpstreamConfig, vault: &Vault) -> Self {
        let scope = config.base.scope().clone();
        let credential = config.secret.map(|secret| Credential {
            name: config.name.clone(),
            scope: scope.clone(),
            auto: true,
            injector: vault.injector(&TenantId::main(), &secret, &Injection::Bearer),
            rate: None,
        });
        let stream_options = match config.usage {
            UsageReports::End => json!({"include_usage": true}),
            UsageReports::Each => json!({"include_usage": true, "continuous_usage_stats": true}),
        };
        Self {
            rights: Rights { asked: scope.clone(), granted: scope, credentials: credential.into_iter().collect() },
            name: config.name,
            kind: config.kind,
            first_token: config.first_token,
            idle: config.idle,
            total: config.total,
            pulse: Pulse::default(),
            stream_options,
            has_tokenizer: config.has_tokenizer,
            base: config.base,
        }
    }

    /// The URL of one of its methods, such as `chat/completions`.
    pub(crate) fn url(&self, method: &str) -> String {
        self.base.method(method)
    }

    /// Where it counts tokens, if it does.
    pub(crate) fn tokenizer_url(&self) -> Option<String> {
        self.has_tokenizer.then(|| self.base.tokenizer())
    }
}

impl Served {
    /// As the policy sees it.
    pub(crate) fn candidate(&self, now: Instant) -> Candidate {
        Candidate {
            id: self.id.clone(),
            model: self.model.name.clone(),
            health: self.upstream.pulse.health(now),
            latency_ms: u32::try_from(self.latency.median(now).as_millis()).unwrap_or(u32::MAX),
            queue: self.upstream.pulse.in_flight(),
            prices: self.model.prices,
        }
    }

    /// What a chat may use here. Prompt and answer share the context. Where the prompt is only
    /// bounded by its bytes, which may be several times its tokens, a quarter of the context is
    /// asked for at least, and the upstream says if that does not fit.
    pub(crate) fn chat_bounds(&self, prompt: PromptTokens, max_output: Option<u64>) -> Result<Bounds, ModelError> {
        let context = self.model.context_tokens;
        let (room, input, prompt) = match prompt {
            PromptTokens::Counted(n) if n >= context => return Err(ModelError::ContextLength { tokens: n, context }),
            PromptTokens::Counted(n) => (context - n, n + COUNT_SLACK, n),
            PromptTokens::Bounded(n) => (context.saturating_sub(n).max(context / 4), n, n),
        };
        let wanted = max_output.unwrap_or(u64::MAX).min(self.model.max_output_tokens);
        let output = wanted.min(room).max(1);
        Ok(Bounds { input: input.min(context), prompt: prompt.min(context), output })
    }

    /// What embedding may use here: each text is within the context.
    pub(crate) fn embed_bounds(&self, bound: u64, n_texts: usize) -> Bounds {
        let input = bound.min(self.model.context_tokens.saturating_mul(n_texts as u64));
        Bounds { input, prompt: input, output: 0 }
    }
}

#[cfg(test)]
mod tests {
    use sophia_domain::Prices;

    use super::*;

    fn served() -> Served {
        let upstream = Upstream {
            name: "w".into(),
            kind: UpstreamKind::Worker,
            first_token: Duration::ZERO,
            idle: Duration::ZERO,
            total: Duration::ZERO,
            rights: Rights::default(),
            pulse: Pulse::default(),
            stream_options: Value::Null,
            has_tokenizer: true,
            base: Base::parse("http://127.0.0.1:8000/v1").unwrap(),
        };
        let model = ModelConfig {
            id: "m".into(),
            name: "m".into(),
            classes: Vec::new(),
            kind: ModelKind::Chat,
            context_tokens: 1000,
            max_output_tokens: 300,
            prices: Prices::default(),
        };
        Served { id: "w/m".into(), model, upstream: Arc::new(upstream), latency: Latency::default() }
    }

    #[test]
    fn an_answer_is_as_long_as_was_asked_as_the_model_makes_it_and_as_the_context_holds() {
        for (prompt, asked, bounds) in [
            (PromptTokens::Counted(10), None, (18, 10, 300)),
            (PromptTokens::Counted(10), Some(5), (18, 10, 5)),
            (PromptTokens::Counted(10), Some(5000), (18, 10, 300)),
            (PromptTokens::Counted(900), None, (908, 900, 100)),
            (PromptTokens::Counted(999), Some(5), (1000, 999, 1)),
            (PromptTokens::Bounded(10), None, (10, 10, 300)),
            (PromptTokens::Bounded(800), None, (800, 800, 250)),
            (PromptTokens::Bounded(9000), Some(7), (1000, 1000, 7)),
        ] {
            let Bounds { input, prompt: seen, output } = served().chat_bounds(prompt, asked).unwrap();
            assert_eq!((input, seen, output), bounds, "{prompt:?} {asked:?}");
        }
        let too_long = served().chat_bounds(PromptTokens::Counted(1000), Some(1));
        assert_eq!(too_long, Err(ModelError::ContextLength { tokens: 1000, context: 1000 }));
    }

    #[test]
    fn embedding_is_bounded_by_bytes_and_by_the_context_of_each_text() {
        assert_eq!(served().embed_bounds(300, 1).input, 300);
        assert_eq!(served().embed_bounds(30_000, 2).input, 2000);
    }
}
