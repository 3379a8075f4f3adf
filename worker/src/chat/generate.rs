//! The life of a chat request on its thread: prompt, then token after token, until something ends
//! it.

use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::{
    model::{ChatModel, Session},
    sampler::{Penalties, Sampler},
    schema::{Constraint, ConstraintError},
    text::{Characters, StopFilter},
};
use crate::queue::Job;

/// What is asked of the model.
#[derive(Debug)]
pub(crate) struct ChatJob {
    /// The prompt's tokens; with `max_tokens`, no more than the context takes.
    pub(crate) prompt: Vec<u32>,
    /// The most tokens that may be generated; at least one.
    pub(crate) max_tokens: usize,
    /// How a token is chosen.
    pub(crate) sampling: Sampling,
    /// The answer ends before any of these; none is empty.
    pub(crate) stops: Vec<String>,
    /// What the answer must fit.
    pub(crate) constraint: Option<Constraint>,
    /// Where the answer goes. Never full: no more events than tokens. Closed when the client left.
    pub(crate) events: UnboundedSender<Event>,
    /// When it was put into the queue.
    pub(crate) queued: Instant,
}

/// How a token is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    /// 0 is greedy.
    pub(crate) temperature: f32,
    /// Over 0, at most 1.
    pub(crate) top_p: f32,
    /// Against repetition.
    pub(crate) penalties: Penalties,
    /// The same seed draws the same tokens.
    pub(crate) seed: u64,
}

/// What happens to a job, in this order: started, texts, ended; or failed at any point.
#[derive(Debug)]
pub(crate) enum Event {
    /// The prompt is computed: from here on there is an answer.
    Started,
    /// Some more of it, never empty.
    Text(String),
    /// It is whole.
    Ended(Outcome),
    /// It will not be whole.
    Failed(GenerateError),
}

/// How an answer ended, and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Why it ended.
    pub(crate) finish: Finish,
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: usize,
    /// Tokens that the model was asked for, the one that ends the answer included, as vLLM counts.
    pub(crate) completion_tokens: usize,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The model ended it, a stop string was met, or the schema is complete.
    Stop,
    /// No more tokens were allowed.
    Length,
}

/// Why an answer failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenerateError {
    /// The computation failed.
    #[error("the model could not be computed")]
    Compute(#[from] candle_core::Error),
    /// The constraint failed.
    #[error("the answer cannot be continued within its schema")]
    Constraint(#[from] ConstraintError),
    /// Every token was excluded.
    #[error("no token can follow")]
    NoToken,
    /// The client left, or the worker is stopping.
    #[error("the answer was cut off")]
    Cut,
    /// A panic, already printed.
    #[error("the generation thread failed")]
    Panicked,
}

impl Job for ChatJob {
    fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }
}

/// Generates an answer. Asks `is_cut` before each piece of work and stops when it says so; the
/// client's leaving stops it too. The sender of the end is the caller.
pub(crate) fn generate(
    model: &ChatModel,
    job: &mut ChatJob,
    is_cut: &dyn Fn() -> bool,
) -> Result<Outcome, GenerateError> {
    let mut session = model.session();
    let mut logits = Vec::new();
    for chunk in Session::chunks(&job.prompt) {
        go_on(job, is_cut)?;
        logits = session.feed(chunk)?;
    }
    send(job, Event::Started)?;
    let Sampling { seed, temperature, top_p, penalties } = job.sampling;
    let mut sampler = Sampler::new(seed, temperature, top_p, penalties);
    let mut answer = Answer::new(std::mem::take(&mut job.stops));
    let finish = loop {
        let token = next_token(&mut sampler, logits, job.constraint.as_mut())?;
        answer.n_tokens += 1;
        if let Some(finish) = answer.take(model, token, job)? {
            break finish;
        }
        go_on(job, is_cut)?;
        logits = session.feed(&[token])?;
    };
    answer.finish(job)?;
    Ok(Outcome { finish, prompt_tokens: job.prompt.len(), completion_tokens: answer.n_tokens })
}

/// The text of an answer on its way from tokens to events.
struct Answer {
    characters: Characters,
    filter: StopFilter,
    is_stopped: bool,
    n_tokens: usize,
}

impl Answer {
    fn new(stops: Vec<String>) -> Self {
        Self { characters: Characters::default(), filter: StopFilter::new(stops), is_stopped: false, n_tokens: 0 }
    }

    /// Takes a token; says why the answer ends with it, if it does.
    fn take(&mut self, model: &ChatModel, token: u32, job: &mut ChatJob) -> Result<Option<Finish>, GenerateError> {
        if model.is_end(token) {
            return Ok(Some(Finish::Stop));
        }
        let text = self.characters.push(model.tokenizer.bytes(token));
        self.show(&text, job)?;
        if let Some(constraint) = &mut job.constraint {
            constraint.accept(token)?;
        }
        let is_complete = job.constraint.as_ref().is_some_and(Constraint::is_complete);
        if self.is_stopped || is_complete {
            return Ok(Some(Finish::Stop));
        }
        Ok((self.n_tokens >= job.max_tokens).then_some(Finish::Length))
    }

    fn show(&mut self, text: &str, job: &ChatJob) -> Result<(), GenerateError> {
        let passed = self.filter.push(text);
        self.is_stopped |= passed.is_stopped;
        if passed.text.is_empty() { Ok(()) } else { send(job, Event::Text(passed.text)) }
    }

    /// Shows what was held back, unless a stop string ended the answer.
    fn finish(&mut self, job: &ChatJob) -> Result<(), GenerateError> {
        if self.is_stopped {
            return Ok(());
        }
        let rest = self.characters.finish();
        self.show(&rest, job)?;
        let held = self.filter.finish();
        if self.is_stopped || held.is_empty() { Ok(()) } else { send(job, Event::Text(held)) }
    }
}

fn next_token(
    sampler: &mut Sampler,
    logits: Vec<f32>,
    constraint: Option<&mut Constraint>,
) -> Result<u32, GenerateError> {
    let allowed = constraint.map(Constraint::allowed).transpose()?;
    sampler.pick(logits, allowed.as_ref()).ok_or(GenerateError::NoToken)
}

fn go_on(job: &ChatJob, is_cut: &dyn Fn() -> bool) -> Result<(), GenerateError> {
    if job.is_abandoned() || is_cut() { Err(GenerateError::Cut) } else { Ok(()) }
}

fn send(job: &ChatJob, event: Event) -> Result<(), GenerateError> {
    job.events.send(event).map_err(|_| GenerateError::Cut)
}
