//! A chat that is answered in pieces.
//!
//! The first events are held back until one of them holds something that was generated: so far
//! another candidate can still be tried, and nobody sees output twice. From then on every event
//! is billed as it is handed on, so that whoever stops listening has paid for what was heard.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use sophia_ledger::Used;
use tokio::time::timeout;

use crate::{
    Asker, Attempt, ChatRequest, Finish, ModelError, Trip, Unanswered, UpstreamError,
    attempts::Attempts,
    chat::unwritable,
    chat_request::ChatTarget,
    chunk::{Chunk, Piece, write},
    events::Events,
    fleet::{Naming, Served},
    models::{Ask, Inner},
    pulse::InFlight,
    tab::Tab,
    upstream_error::Failure,
    usage::Shown,
    wire::{self, Post},
};

/// An answer on its way. Dropping it ends generation and bills what was delivered.
#[derive(Debug)]
pub struct ChatStream {
    served: Arc<Served>,
    attempts: Vec<Attempt>,
    trip: Trip,
    wants_usage: bool,
    /// Events that were read before it was known that the stream has begun.
    held: VecDeque<Piece>,
    events: Events,
    call: InFlight,
    /// Until the end.
    tab: Option<Tab>,
    /// From the end on.
    used: Option<Used>,
    finish: Option<Finish>,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// A part of the answer.
    Delta {
        /// OpenAI's `chat.completion.chunk`, as the upstream wrote it but for the model's name.
        json: String,
        /// Its text.
        text: String,
    },
    /// What was used, where the caller asked to see it.
    Usage {
        /// OpenAI's `chat.completion.chunk` without a choice.
        json: String,
    },
    /// The end. Nothing follows.
    Done(Finish),
}

/// What one attempt came to: a stream that has begun.
struct Begun {
    held: VecDeque<Piece>,
    events: Events,
    call: InFlight,
    tab: Tab,
    trip: Trip,
}

/// Of a whole stream, with the JSON around each token.
const MAX_STREAM: u64 = 64 << 20;

/// Events before the first one with something generated. Bifrost holds as many.
const MAX_HELD: usize = 64;

impl Inner {
    pub(crate) async fn chat_stream(
        &self,
        asker: &Asker,
        request: &ChatRequest,
        naming: Naming,
    ) -> Result<ChatStream, Unanswered> {
        let mut trip = Trip::default();
        let begun = self.try_stream(asker, request, naming, &mut trip).await;
        begun.map_err(|error| Unanswered { error, trip })
    }

    async fn try_stream(
        &self,
        asker: &Asker,
        request: &ChatRequest,
        naming: Naming,
        trip: &mut Trip,
    ) -> Result<ChatStream, ModelError> {
        let mut attempts = Attempts::default();
        for served in self.plan(asker, Ask::of_chat(request, naming), trip).await? {
            match self.stream_once(asker, request, &served, trip).await {
                Ok(begun) => return Ok(ChatStream::new(begun, served, attempts, request.wants_usage)),
                Err(failure) => attempts.note(&served, failure)?,
            }
        }
        Err(attempts.give_up())
    }

    async fn stream_once(
        &self,
        asker: &Asker,
        request: &ChatRequest,
        served: &Served,
        trip: &mut Trip,
    ) -> Result<Begun, Failure> {
        let mut tab = self.open_chat_tab(asker, request, served, trip).await?;
        let target = ChatTarget::new(served, &tab, Some(&served.upstream.stream_options));
        let body = request.body(&target).map_err(unwritable)?;
        let call = served.upstream.pulse.begin(Instant::now());
        let began = Instant::now();
        let begins = timeout(served.upstream.first_token, self.begin_stream(asker, served, body, &mut tab)).await;
        let waited = began.elapsed();
        trip.waited += waited;
        match begins.unwrap_or(Err(Failure::Upstream(UpstreamError::TimedOut))) {
            Ok((events, held)) => {
                call.answered();
                served.latency.observe(Instant::now(), waited);
                Ok(Begun { held, events, call, tab, trip: *trip })
            }
            Err(failure) => {
                failure.tell(&call);
                tab.release();
                Err(failure)
            }
        }
    }

    /// Sends the request and reads up to the first event that holds something generated.
    async fn begin_stream(
        &self,
        asker: &Asker,
        served: &Served,
        body: Vec<u8>,
        tab: &mut Tab,
    ) -> Result<(Events, VecDeque<Piece>), Failure> {
        let url = served.upstream.url("chat/completions");
        let post = Post { url, body, timeout: served.upstream.total, max_response: MAX_STREAM };
        let body = wire::send(&self.egress, asker, served, post).await?;
        tab.begin();
        let mut events = Events::new(body, served.upstream.idle);
        let mut held = VecDeque::new();
        while held.len() < MAX_HELD {
            let next = events.next().await.map_err(Failure::Upstream)?;
            let piece = next.ok_or(Failure::Upstream(UpstreamError::Answer(BROKEN_OFF)))?;
            let is_beginning = piece.is_beginning();
            held.push_back(piece);
            if is_beginning {
                break;
            }
        }
        Ok((events, held))
    }
}

const BROKEN_OFF: &str = "its stream broke off";

impl ChatStream {
    fn new(begun: Begun, served: Arc<Served>, attempts: Attempts, wants_usage: bool) -> Self {
        let Begun { held, events, call, tab, trip } = begun;
        let (tab, attempts) = (Some(tab), attempts.into_failed());
        Self { served, attempts, trip, wants_usage, held, events, call, tab, used: None, finish: None }
    }

    /// The model that answers.
    pub fn model(&self) -> &str {
        &self.served.model.name
    }

    /// The provider or worker that answers.
    pub fn upstream(&self) -> &str {
        &self.served.upstream.name
    }

    /// The candidates that were tried before, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Where the time went until it began.
    pub fn trip(&self) -> Trip {
        self.trip
    }

    /// What is billed: what was delivered so far, or after the end what was settled.
    pub fn used(&self) -> Used {
        let nothing = Used { tokens: Default::default(), cost: sophia_domain::Usd::ZERO, is_estimated: true };
        self.used.or_else(|| self.tab.as_ref().map(Tab::used)).unwrap_or(nothing)
    }

    /// The next piece; none after the end or an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<StreamEvent, ModelError>> {
        while self.tab.is_some() {
            let next = match self.held.pop_front() {
                Some(piece) => Ok(Some(piece)),
                None => self.events.next().await,
            };
            match self.take(next) {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => return Some(Err(self.fail(&error))),
            }
        }
        None
    }

    /// What is handed on of what came. An end after the answer's own end is one, however it comes.
    fn take(&mut self, next: Result<Option<Piece>, UpstreamError>) -> Result<Option<StreamEvent>, UpstreamError> {
        match next {
            Ok(Some(Piece::Chunk(chunk))) => self.hand_on(chunk),
            Ok(Some(Piece::Done)) => Ok(Some(self.end())),
            Ok(None) | Err(_) if self.finish.is_some() => Ok(Some(self.end())),
            Ok(None) => Err(UpstreamError::Answer(BROKEN_OFF)),
            Err(error) => Err(error),
        }
    }

    fn hand_on(&mut self, chunk: Chunk) -> Result<Option<StreamEvent>, UpstreamError> {
        let Some(tab) = &mut self.tab else { return Ok(None) };
        if !tab.deliver(chunk.tokens) {
            return Err(UpstreamError::Answer("it generates more than was asked for"));
        }
        if let Some(report) = chunk.report {
            tab.report(report);
        }
        self.finish = self.finish.or(chunk.finish);
        // OpenAI says it in an event of its own; others in the last one of the answer.
        let is_last = chunk.is_usage_only || chunk.finish.is_some() && chunk.report.is_some();
        let shown = (is_last && self.wants_usage).then(|| Shown::from(tab.used().tokens));
        if chunk.is_usage_only && shown.is_none() {
            return Ok(None);
        }
        let (is_usage_only, text) = (chunk.is_usage_only, chunk.text);
        let json = write(chunk.fields, &self.served.model.name, shown.as_ref());
        let json = json.map_err(|_| UpstreamError::Answer("an event of the stream cannot be written"))?;
        Ok(Some(if is_usage_only { StreamEvent::Usage { json } } else { StreamEvent::Delta { json, text } }))
    }

    fn end(&mut self) -> StreamEvent {
        self.events.read_end();
        self.used = self.tab.take().map(Tab::settle);
        StreamEvent::Done(self.finish.unwrap_or_default())
    }

    fn fail(&mut self, error: &UpstreamError) -> ModelError {
        self.call.failed(Instant::now());
        self.used = self.tab.take().map(Tab::settle);
        tracing::warn!(candidate = self.served.id, %error, "a streamed answer broke off");
        ModelError::from_upstream(&self.served.upstream.name, error)
    }
}
