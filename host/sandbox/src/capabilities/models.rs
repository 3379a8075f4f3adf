//! Models by class: a plugin's request becomes one of the models' room, under the caller's key.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use sophia_models::{self as models, Asker, Finish, Models};
use wasmtime::{Result, component::Resource};

use super::steps::{Item, Recorded};
use crate::{
    HostCall, PluginError, Usage,
    bindings::sophia::plugin::{
        models::{self as wit, Host, HostCompletionStream, Ranked},
        types::{self, Error},
    },
    guest::Guest,
};

/// As `wit/models.wit` says.
const MAX_REQUESTS: usize = 64;

/// An answer on its way. Lives in the call's table.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct CompletionStream {
    /// Until its end.
    stream: Option<models::CompletionStream>,
    /// Where the run takes it down.
    item: Option<Item>,
}

/// A finished answer, as the journal has it.
#[derive(Serialize)]
struct Completion {
    content: String,
    finish: Finish,
    model: String,
    usage: Usage,
}

/// Vectors, as the journal has them.
#[derive(Serialize)]
struct Embeddings {
    model: String,
    vectors: Vec<Vec<f32>>,
    usage: Usage,
}

/// What is embedded, as the journal has it.
#[derive(Serialize)]
struct EmbedAsk {
    class: String,
    texts: Vec<String>,
}

/// What a plugin's request of a model goes out with. Apart from the store, which is borrowed by no
/// request while it waits.
#[derive(Clone)]
struct Way {
    models: Models,
    asker: Arc<Asker>,
    classes: Arc<BTreeSet<String>>,
}

impl Host for Guest {
    async fn complete(&mut self, request: wit::CompletionRequest) -> Result<Result<wit::Completion, Error>> {
        Ok(only(self.complete_each(vec![request]).await?))
    }

    async fn complete_all(
        &mut self,
        requests: Vec<wit::CompletionRequest>,
    ) -> Result<Vec<Result<wit::Completion, Error>>> {
        if requests.len() > MAX_REQUESTS {
            let refused = || Err(Error::Invalid(format!("at most {MAX_REQUESTS} requests at a time")));
            return Ok(requests.iter().map(|_| refused()).collect());
        }
        self.complete_each(requests).await
    }

    async fn open_stream(
        &mut self,
        request: wit::CompletionRequest,
    ) -> Result<Result<Resource<CompletionStream>, Error>> {
        let request = models::CompletionRequest::from(request);
        let step = self.begin(HostCall::Stream, std::slice::from_ref(&request)).await?;
        let item = step.map(|step| step.item(0));
        match self.way().open(request).await {
            Ok(stream) => Ok(Ok(self.table.push(CompletionStream { stream: Some(stream), item })?)),
            Err(error) => {
                if let Some(item) = item {
                    item.end::<Completion>(&Err(error.clone())).await?;
                }
                Ok(Err(error.into()))
            }
        }
    }

    async fn embed(&mut self, class: String, texts: Vec<String>) -> Result<Result<wit::Embeddings, Error>> {
        let way = self.way();
        let embed = |_, ask| {
            let way = way.clone();
            async move { way.embed(ask).await }
        };
        let outcomes = self.each(HostCall::Embed, vec![EmbedAsk { class, texts }], embed).await?;
        Ok(only(outcomes).map(wit::Embeddings::from))
    }

    async fn rerank(&mut self, _: String, _: String, _: Vec<String>) -> Result<Result<Vec<Ranked>, Error>> {
        self.missing("models.rerank")
    }
}

impl HostCompletionStream for Guest {
    async fn next(
        &mut self,
        stream: Resource<CompletionStream>,
    ) -> Result<Result<Option<wit::CompletionEvent>, Error>> {
        self.host_call()?;
        self.table.get_mut(&stream)?.event().await
    }

    async fn drop(&mut self, stream: Resource<CompletionStream>) -> Result<()> {
        let stream = self.table.delete(stream)?;
        match (stream.stream, stream.item) {
            // Not read to its end: what was delivered is billed, and the step is closed.
            (Some(_), Some(item)) => item.end::<Completion>(&Err(PluginError::Cancelled)).await,
            _ => Ok(()),
        }
    }
}

impl CompletionStream {
    /// The next event, taken down before the guest is given it.
    async fn event(&mut self) -> Result<Result<Option<wit::CompletionEvent>, Error>> {
        let Some(stream) = &mut self.stream else { return Ok(Ok(None)) };
        let outcome = match stream.next().await {
            Ok(Some(models::CompletionEvent::Delta(text))) => {
                if let Some(item) = &self.item {
                    item.piece(&text).await?;
                }
                return Ok(Ok(Some(wit::CompletionEvent::Delta(text))));
            }
            Ok(Some(models::CompletionEvent::Done(done))) => Ok(Completion::from(done)),
            Ok(None) => Err(PluginError::Upstream { status: None, message: "the answer has no end".to_owned() }),
            Err(error) => Err(error.into()),
        };
        self.stream = None;
        if let Some(item) = &self.item {
            item.end(&outcome).await?;
        }
        Ok(outcome.map(|done| Some(wit::CompletionEvent::Done(done.into()))).map_err(Error::from))
    }
}

impl Guest {
    /// Who asks, and under whose key.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            tenant: self.call.tenant.clone(),
            key: self.call.key.clone(),
            plugin: Some(self.call.plugin.clone()),
            run: self.call.run.as_ref().map(|run| run.id().clone()),
            most: None,
            traceparent: self.call.traceparent.clone(),
        }
    }

    fn way(&self) -> Way {
        Way {
            models: self.engines.ports.models.clone(),
            asker: Arc::new(self.asker()),
            classes: self.call.classes.clone(),
        }
    }

    async fn complete_each(
        &mut self,
        requests: Vec<wit::CompletionRequest>,
    ) -> Result<Vec<Result<wit::Completion, Error>>> {
        let requests = requests.into_iter().map(models::CompletionRequest::from).collect();
        let way = self.way();
        let complete = |_, request| {
            let way = way.clone();
            async move { way.complete(request).await }
        };
        let outcomes = self.each(HostCall::Complete, requests, complete).await?;
        Ok(outcomes.into_iter().map(|outcome| outcome.map(wit::Completion::from)).collect())
    }
}

impl Way {
    async fn complete(&self, request: models::CompletionRequest) -> Result<Completion, PluginError> {
        may_use(&self.classes, &request.class)?;
        self.models.complete(&self.asker, request).await.map(Completion::from).map_err(PluginError::from)
    }

    async fn open(&self, request: models::CompletionRequest) -> Result<models::CompletionStream, PluginError> {
        may_use(&self.classes, &request.class)?;
        self.models.open_stream(&self.asker, request).await.map_err(PluginError::from)
    }

    async fn embed(&self, ask: EmbedAsk) -> Result<Embeddings, PluginError> {
        may_use(&self.classes, &ask.class)?;
        let made = self.models.embed_texts(&self.asker, ask.class, ask.texts).await.map_err(PluginError::from)?;
        Ok(Embeddings { model: made.receipt.model, vectors: made.vectors, usage: made.receipt.used.into() })
    }
}

/// Refuses a class that the plugin was not granted.
pub(super) fn may_use(classes: &BTreeSet<String>, class: &str) -> Result<(), PluginError> {
    if classes.contains(class) {
        return Ok(());
    }
    let class: String = class.chars().filter(|c| !c.is_control()).take(70).collect();
    Err(PluginError::Denied(format!("the class `{class}` was not asked for, or not granted")))
}

/// The outcome of what was asked once.
pub(super) fn only<T>(mut outcomes: Vec<Result<T, Error>>) -> Result<T, Error> {
    outcomes.pop().unwrap_or_else(|| Err(Error::Other("nothing was asked for".to_owned())))
}

impl Recorded for Completion {
    fn model(&self) -> Option<&str> {
        Some(&self.model)
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Recorded for Embeddings {
    fn model(&self) -> Option<&str> {
        Some(&self.model)
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl From<models::Completion> for Completion {
    fn from(done: models::Completion) -> Self {
        Self { content: done.content, finish: done.finish, model: done.model, usage: done.used.into() }
    }
}

impl From<Completion> for wit::Completion {
    fn from(done: Completion) -> Self {
        let finish = match done.finish {
            Finish::Stop => wit::Finish::Stop,
            Finish::Length => wit::Finish::Length,
            Finish::Filtered => wit::Finish::Filtered,
        };
        Self { content: done.content, finish, model: done.model, usage: done.usage.into() }
    }
}

impl From<Embeddings> for wit::Embeddings {
    fn from(made: Embeddings) -> Self {
        Self { model: made.model, vectors: made.vectors, usage: made.usage.into() }
    }
}

impl From<wit::CompletionRequest> for models::CompletionRequest {
    fn from(request: wit::CompletionRequest) -> Self {
        Self {
            class: request.class,
            messages: request.messages.into_iter().map(models::Message::from).collect(),
            max_output_tokens: request.max_output_tokens,
            temperature: request.temperature,
            seed: request.seed,
            stop: request.stop,
            schema: request.schema,
        }
    }
}

impl From<wit::Message> for models::Message {
    fn from(message: wit::Message) -> Self {
        let role = match message.role {
            wit::Role::System => models::Role::System,
            wit::Role::User => models::Role::User,
            wit::Role::Assistant => models::Role::Assistant,
        };
        Self { role, content: message.content }
    }
}

impl From<Usage> for types::Usage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.tokens.input,
            output_tokens: usage.tokens.output,
            cached_tokens: usage.tokens.cached,
            cost: types::Money { micro_usd: usage.cost.micros() },
        }
    }
}
