//! A chat that is answered whole.

use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Asker, ChatRequest, Completion, Finish, ModelError, ModelKind, Receipt, Trip, Unanswered, UpstreamError,
    attempts::Attempts,
    chat_request::ChatTarget,
    fields::Fields,
    fleet::{Naming, Served},
    models::{Ask, Inner},
    tab::Tab,
    tokenizer,
    upstream_error::Failure,
    usage::{Report, Shown},
    wire::{self, Post},
};

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatAnswer {
    /// OpenAI's JSON, as the upstream wrote it but for the model's name, and for what it used
    /// where that could not be true.
    pub json: String,
    /// How it came about.
    pub receipt: Receipt,
    content: String,
    finish: Finish,
}

#[derive(Deserialize)]
struct Written<'a> {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice {
    message: WrittenMessage,
    #[serde(default)]
    finish_reason: Option<Finish>,
}

#[derive(Deserialize)]
struct WrittenMessage {
    #[serde(default)]
    content: Option<String>,
}

/// An answer that was read.
struct Read {
    fields: Fields,
    content: String,
    finish: Finish,
    report: Option<Report>,
}

/// Beside its text an answer may hold log probabilities of each token.
const MAX_ANSWER: u64 = 16 << 20;

impl Inner {
    pub(crate) async fn chat(
        &self,
        asker: &Asker,
        request: &ChatRequest,
        naming: Naming,
    ) -> Result<ChatAnswer, Unanswered> {
        let mut trip = Trip::default();
        let answered = self.try_chat(asker, request, naming, &mut trip).await;
        answered.map_err(|error| Unanswered { error, trip })
    }

    async fn try_chat(
        &self,
        asker: &Asker,
        request: &ChatRequest,
        naming: Naming,
        trip: &mut Trip,
    ) -> Result<ChatAnswer, ModelError> {
        let mut attempts = Attempts::default();
        for served in self.plan(asker, Ask::of_chat(request, naming), trip).await? {
            match self.chat_once(asker, request, &served, trip).await {
                Ok((read, tab)) => {
                    return answer(read, tab, |used| Receipt::new(&served, used, attempts, *trip));
                }
                Err(failure) => attempts.note(&served, failure)?,
            }
        }
        Err(attempts.give_up())
    }

    async fn chat_once(
        &self,
        asker: &Asker,
        request: &ChatRequest,
        served: &Served,
        trip: &mut Trip,
    ) -> Result<(Read, Tab), Failure> {
        let mut tab = self.open_chat_tab(asker, request, served, trip).await?;
        let body = request.body(&ChatTarget::new(served, &tab, None)).map_err(unwritable)?;
        let call = served.upstream.pulse.begin(Instant::now());
        let began = Instant::now();
        tab.begin();
        let answer = self.fetch(asker, served, body).await;
        trip.waited += began.elapsed();
        match answer {
            Ok(read) => {
                call.answered();
                Ok((read, tab))
            }
            Err(failure) => {
                failure.tell(&call);
                tab.release();
                Err(failure)
            }
        }
    }

    async fn fetch(&self, asker: &Asker, served: &Served, body: Vec<u8>) -> Result<Read, Failure> {
        let url = served.upstream.url("chat/completions");
        let post = Post { url, body, timeout: served.upstream.total, max_response: MAX_ANSWER };
        let answer = wire::send_whole(&self.egress, asker, served, post).await?;
        read(&answer).map_err(Failure::Upstream)
    }

    /// Counts the prompt where that can be done, and holds what the answer may cost.
    pub(crate) async fn open_chat_tab(
        &self,
        asker: &Asker,
        request: &ChatRequest,
        served: &Served,
        trip: &mut Trip,
    ) -> Result<Tab, Failure> {
        let began = Instant::now();
        let prompt = tokenizer::count(&self.egress, asker, request, served).await;
        trip.waited += began.elapsed();
        let bounds = served.chat_bounds(prompt, request.max_output_tokens).map_err(Failure::Final)?;
        self.open_tab(asker, &request.target, served, bounds).await
    }
}

impl<'a> Ask<'a> {
    pub(crate) fn of_chat(request: &'a ChatRequest, naming: Naming) -> Self {
        Self {
            target: &request.target,
            naming,
            kind: ModelKind::Chat,
            input_tokens: request.prompt.tokens(),
            max_output_tokens: request.max_output_tokens,
            is_streamed: request.is_streamed,
        }
    }
}

impl<'a> ChatTarget<'a> {
    pub(crate) fn new(served: &'a Served, tab: &Tab, stream_options: Option<&'a serde_json::Value>) -> Self {
        Self {
            model: &served.model.id,
            kind: served.upstream.kind,
            max_output_tokens: tab.bounds().output,
            stream_options,
        }
    }
}

impl ChatAnswer {
    pub(crate) fn into_completion(self) -> Completion {
        let Receipt { model, used, .. } = self.receipt;
        Completion { content: self.content, finish: self.finish, model, used }
    }
}

/// A request that was read as JSON and cannot be written as such again.
pub(crate) fn unwritable(error: serde_json::Error) -> Failure {
    Failure::Final(ModelError::Invalid { param: None, message: format!("the request cannot be written: {error}") })
}

/// Reads an answer, which must be one: an error in the body of a success is none.
fn read(body: &[u8]) -> Result<Read, UpstreamError> {
    let malformed = |_| UpstreamError::Answer("its answer is no chat completion");
    let written: Written<'_> = serde_json::from_slice(body).map_err(malformed)?;
    let report = written.usage.and_then(|usage| Report::read(usage.get()));
    let mut choices = written.choices.into_iter();
    let (Some(choice), None) = (choices.next(), choices.next()) else {
        return Err(UpstreamError::Answer("its answer has not one choice"));
    };
    let content = choice.message.content.unwrap_or_default();
    let fields = serde_json::from_slice(body).map_err(malformed)?;
    Ok(Read { fields, content, finish: choice.finish_reason.unwrap_or_default(), report })
}

/// The answer as it is given, settled. One that does not say what it used is billed by its bytes,
/// of which no token has less than one.
fn answer(
    read: Read,
    mut tab: Tab,
    receipt: impl FnOnce(sophia_ledger::Used) -> Receipt,
) -> Result<ChatAnswer, ModelError> {
    let Read { mut fields, content, finish, report } = read;
    match report {
        Some(report) => tab.report(report),
        None => drop(tab.deliver((content.len() as u64).min(tab.bounds().output))),
    }
    let receipt = receipt(tab.settle());
    let json = fields.set("model", &receipt.model).and_then(|()| {
        if receipt.used.is_estimated {
            fields.set("usage", &Shown::from(receipt.used.tokens))?;
        }
        serde_json::to_string(&fields)
    });
    let json = json.map_err(|_| ModelError::Failed {
        upstream: receipt.upstream.clone(),
        what: "its answer cannot be written".to_owned(),
    })?;
    Ok(ChatAnswer { json, receipt, content, finish })
}
