//! What the operator writes about models, and what is checked of it before anything is listened
//! to: every complaint at once.

use std::{collections::HashSet, time::Duration};

use crate::{OnFault, base::Base};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use sophia_domain::{Price, Prices, SecretName, Span, Usd};

/// What was written: `[models]` of the node's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// What happens when the routing policy fails.
    pub on_fault: OnFault,
    /// Workers and providers.
    pub upstream: Vec<RawUpstream>,
}

/// `[[models.upstream]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawUpstream {
    /// Names it in candidates, the ledger and errors.
    pub name: String,
    /// Its base, up to and with `/v1`.
    pub url: String,
    /// Whose machine it is.
    pub kind: UpstreamKind,
    /// The secret that is sent as a bearer token.
    #[serde(default)]
    pub secret: Option<SecretName>,
    /// Whether it counts tokens at `POST /tokenize`, as vLLM does.
    #[serde(default)]
    pub tokenizer: bool,
    /// When a stream of it says what it used.
    #[serde(default)]
    pub usage: UsageReports,
    /// Until the first token of a stream.
    #[serde(default = "default_first_token")]
    pub first_token: Span,
    /// Between two events of a stream.
    #[serde(default = "default_idle")]
    pub idle: Span,
    /// For a whole answer.
    #[serde(default = "default_total")]
    pub total: Span,
    /// What it serves.
    #[serde(default)]
    pub model: Vec<RawModel>,
}

/// `[[models.upstream.model]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// What the upstream calls it.
    pub id: String,
    /// What it is called here; the same as there if nothing is said. Several upstreams may serve
    /// one model.
    #[serde(default)]
    pub name: Option<String>,
    /// The classes that it belongs to.
    #[serde(default)]
    pub classes: Vec<String>,
    /// What it makes.
    #[serde(default)]
    pub kind: ModelKind,
    /// Tokens of prompt and answer together.
    pub context_tokens: u64,
    /// Most tokens of an answer. A quarter of the context, and 4,096 at most, if nothing is said.
    #[serde(default)]
    pub max_output_tokens: Option<u64>,
    /// Free if nothing is said.
    #[serde(default)]
    pub price: RawPrice,
}

/// Dollars for a million tokens, as price lists write them: `{ input = "$0.15", output = "$0.60" }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPrice {
    /// Of the prompt.
    #[serde(deserialize_with = "dollars")]
    pub input: Usd,
    /// Of the prompt and in a prefix cache. As `input` if nothing is said.
    #[serde(default, deserialize_with = "some_dollars")]
    pub cached: Option<Usd>,
    /// Generated.
    #[serde(deserialize_with = "dollars")]
    pub output: Usd,
}

/// Whose machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamKind {
    /// The operator's: it may have a private address, and speaks vLLM's dialect.
    Worker,
    /// Somebody else's, on the public internet.
    Provider,
}

/// What a model makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Answers.
    #[default]
    Chat,
    /// Vectors.
    Embedding,
}

/// When a stream says what it used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageReports {
    /// At its end, as OpenAI does.
    #[default]
    End,
    /// In each event: vLLM's and SGLang's `continuous_usage_stats`. A stream that is cut is then
    /// billed exactly.
    Each,
}

/// What was checked.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub(crate) on_fault: OnFault,
    pub(crate) upstreams: Vec<UpstreamConfig>,
}

#[derive(Debug, Clone)]
pub(crate) struct UpstreamConfig {
    pub(crate) name: String,
    pub(crate) base: Base,
    pub(crate) kind: UpstreamKind,
    pub(crate) secret: Option<SecretName>,
    pub(crate) has_tokenizer: bool,
    pub(crate) usage: UsageReports,
    pub(crate) first_token: Duration,
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
    pub(crate) models: Vec<ModelConfig>,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelConfig {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) classes: Vec<String>,
    pub(crate) kind: ModelKind,
    pub(crate) context_tokens: u64,
    pub(crate) max_output_tokens: u64,
    pub(crate) prices: Prices,
}

/// What is wrong with what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("models: `{place}`: {what}")]
pub struct ConfigError {
    /// The upstream, or the upstream and its model.
    pub place: String,
    /// What, and what to write.
    pub what: &'static str,
}

/// Twice the longest prefill of a long prompt on one GPU.
pub(crate) fn default_first_token() -> Span {
    Span::millis(60_000)
}

/// A worker that decodes gives several tokens a second.
pub(crate) fn default_idle() -> Span {
    Span::millis(30_000)
}

/// OpenAI's own client waits ten minutes.
pub(crate) fn default_total() -> Span {
    Span::millis(600_000)
}

const MAX_OUTPUT_TOKENS: u64 = 4096;

/// Longest name of an upstream, a model or a class.
const MAX_NAME: usize = 128;

impl RawConfig {
    /// Checks what was written.
    pub fn check(self) -> Result<Config, Vec<ConfigError>> {
        let mut complaints = Vec::new();
        let mut seen = HashSet::new();
        for upstream in &self.upstream {
            if !seen.insert(upstream.name.clone()) {
                complaints.push(complaint(&upstream.name, "there are two upstreams of this name"));
            }
        }
        self.check_classes(&mut complaints);
        let checked = self.upstream.into_iter().map(|upstream| upstream.check(&mut complaints));
        let upstreams: Vec<UpstreamConfig> = checked.collect::<Vec<_>>().into_iter().flatten().collect();
        if complaints.is_empty() { Ok(Config { on_fault: self.on_fault, upstreams }) } else { Err(complaints) }
    }

    /// A request names a model or a class with one word, so no word may be both.
    fn check_classes(&self, complaints: &mut Vec<ConfigError>) {
        let models = || self.upstream.iter().flat_map(|upstream| &upstream.model);
        let names: HashSet<&str> = models().map(RawModel::name).collect();
        let classes: HashSet<&str> = models().flat_map(|model| &model.classes).map(String::as_str).collect();
        for both in names.intersection(&classes) {
            complaints.push(complaint(both, "this is the name of a model and of a class: rename one"));
        }
        for class in classes.iter().filter(|class| !is_name(class)) {
            complaints.push(complaint(class, NAME));
        }
    }
}

const NAME: &str = "a name is 1 to 128 visible characters without spaces";

impl RawUpstream {
    fn check(self, complaints: &mut Vec<ConfigError>) -> Option<UpstreamConfig> {
        let place = self.name.clone();
        let mut complain = |what| complaints.push(complaint(&place, what));
        if !is_name(&self.name) || self.name.contains('/') {
            complain("a name is 1 to 128 visible characters without spaces and `/`");
        }
        if [self.first_token, self.idle, self.total].iter().any(|span| span.0.is_zero()) {
            complain("a time is longer than nothing");
        }
        let base = Base::parse(&self.url);
        if base.is_none() {
            complain("write an http or https URL that ends in `/v1`, without user, query and fragment");
        }
        if self.kind == UpstreamKind::Provider && base.as_ref().is_some_and(Base::is_plaintext) {
            complain("a provider is reached by https: what is sent there crosses the internet");
        }
        let mut seen = HashSet::new();
        let mut models = Vec::new();
        for model in self.model {
            let place = format!("{}/{}", self.name, model.name());
            if !seen.insert(model.name().to_owned()) {
                complaints.push(complaint(&place, "this upstream has two models of this name"));
            }
            models.push(model.check(&place, complaints));
        }
        Some(UpstreamConfig {
            name: self.name,
            base: base?,
            kind: self.kind,
            secret: self.secret,
            has_tokenizer: self.tokenizer,
            usage: self.usage,
            first_token: self.first_token.0,
            idle: self.idle.0,
            total: self.total.0,
            models,
        })
    }
}

impl RawModel {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    fn check(self, place: &str, complaints: &mut Vec<ConfigError>) -> ModelConfig {
        let name = self.name().to_owned();
        let max_output_tokens = self.max_output_tokens.unwrap_or((self.context_tokens / 4).min(MAX_OUTPUT_TOKENS));
        let mut complain = |what| complaints.push(complaint(place, what));
        if !is_name(&name) || !is_name(&self.id) {
            complain(NAME);
        }
        if self.kind == ModelKind::Chat && !(1..=self.context_tokens).contains(&max_output_tokens) {
            complain("`max_output_tokens` is 1 at least and `context_tokens` at most");
        }
        ModelConfig {
            id: self.id,
            name,
            classes: self.classes,
            kind: self.kind,
            context_tokens: self.context_tokens,
            max_output_tokens,
            prices: self.price.prices(),
        }
    }
}

impl RawPrice {
    fn prices(self) -> Prices {
        let price = |usd: Usd| Price { micro_usd_per_million: usd.micros() };
        let cached_input = price(self.cached.unwrap_or(self.input));
        Prices { input: price(self.input), cached_input, output: price(self.output) }
    }
}

impl Config {
    /// `host:port` of every worker: what `named` of the egress for models is, since a worker may
    /// have a private address and a provider may not.
    pub fn named(&self) -> Vec<String> {
        let workers = self.upstreams.iter().filter(|upstream| upstream.kind == UpstreamKind::Worker);
        workers.map(|upstream| upstream.base.address().to_owned()).collect()
    }
}

fn dollars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn some_dollars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
    dollars(deserializer).map(Some)
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

fn complaint(place: &str, what: &'static str) -> ConfigError {
    ConfigError { place: crate::fields::shortened(place), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Vec<String>> {
        let raw: RawConfig = toml::from_str(text).unwrap();
        raw.check().map_err(|complaints| complaints.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_what_an_operator_writes() {
        let config = read(
            r#"
            on_fault = "open"
            [[upstream]]
            name = "here"
            url = "http://[::1]:8000/v1/"
            kind = "worker"
            tokenizer = true
            model = [{ id = "SmolLM2-135M-Instruct", name = "smollm2", classes = ["fast"], context_tokens = 4096 }]
            [[upstream]]
            name = "openai"
            url = "https://api.openai.com/v1"
            kind = "provider"
            secret = "openai"
            first_token = "20s"
            [[upstream.model]]
            id = "gpt-4o-mini"
            classes = ["fast", "quality"]
            context_tokens = 128000
            price = { input = "$0.15", cached = "$0.075", output = "$0.60" }
            "#,
        )
        .unwrap();
        assert_eq!(config.named(), ["[::1]:8000"]);
        let [here, openai] = config.upstreams.as_slice() else { panic!("{config:?}") };
        assert_eq!((here.models[0].name.as_str(), here.models[0].max_output_tokens), ("smollm2", 1024));
        let (name, prices) = (openai.models[0].name.as_str(), openai.models[0].prices);
        assert_eq!((name, prices.cached_input.micro_usd_per_million), ("gpt-4o-mini", 75_000));
        assert_eq!(openai.first_token, Duration::from_secs(20));
    }

    #[test]
    fn says_all_that_is_wrong_at_once() {
        let complaints = read(
            r#"
            [[upstream]]
            name = "a/b"
            url = "https://u:p@a.example/v1"
            kind = "worker"
            idle = "0s"
            model = [
                { id = "m", classes = ["n"], context_tokens = 10, max_output_tokens = 11 },
                { id = "n", context_tokens = 10 },
                { id = "x", name = "n", context_tokens = 10 },
            ]
            [[upstream]]
            name = "a/b"
            url = "http://a.example:1/v1"
            kind = "provider"
            "#,
        )
        .unwrap_err();
        assert_eq!(complaints.len(), 9, "{complaints:#?}");
    }
}
