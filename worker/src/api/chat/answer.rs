//! The shapes of an answer, whole and in pieces.

use serde::Serialize;

use crate::{
    api::state::now,
    chat::{Finish, Outcome},
    engine::CHAT_MODEL,
};

/// What all pieces of one answer share.
#[derive(Debug)]
pub(super) struct Answer {
    id: String,
    created: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Completion {
    id: String,
    object: &'static str,
    created: u64,
    model: &'static str,
    choices: [Choice; 1],
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct Choice {
    index: usize,
    message: AnswerMessage,
    logprobs: (),
    finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
struct AnswerMessage {
    role: &'static str,
    content: String,
    refusal: (),
}

/// What a request took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

/// One piece of a streamed answer.
#[derive(Debug, Serialize)]
pub(super) struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'static str,
    choices: Vec<ChunkChoice<'a>>,
    /// `Some(None)` is written as null: usage was asked for and comes with the last piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Debug, Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

/// What a piece adds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a str>,
}

impl Answer {
    /// With an id of its own.
    pub(super) fn new() -> Self {
        Self { id: format!("chatcmpl-{:032x}", fastrand::u128(..)), created: now() }
    }

    /// The whole answer.
    pub(super) fn completion(self, content: String, outcome: Outcome) -> Completion {
        let message = AnswerMessage { role: "assistant", content, refusal: () };
        let choice = Choice { index: 0, message, logprobs: (), finish_reason: reason(outcome.finish) };
        Completion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: CHAT_MODEL,
            choices: [choice],
            usage: outcome.into(),
        }
    }

    /// A piece of it.
    pub(super) fn chunk<'a>(&'a self, delta: Delta<'a>, finish: Option<Finish>) -> Chunk<'a> {
        let choice = ChunkChoice { index: 0, delta, logprobs: (), finish_reason: finish.map(reason) };
        self.chunk_of(vec![choice])
    }

    /// The last piece, which has no text but what the answer took.
    pub(super) fn usage_chunk(&self, outcome: Outcome) -> Chunk<'_> {
        Chunk { usage: Some(Some(outcome.into())), ..self.chunk_of(Vec::new()) }
    }

    fn chunk_of<'a>(&'a self, choices: Vec<ChunkChoice<'a>>) -> Chunk<'a> {
        let (id, created) = (self.id.as_str(), self.created);
        Chunk { id, object: "chat.completion.chunk", created, model: CHAT_MODEL, choices, usage: None }
    }
}

impl Chunk<'_> {
    /// Says that usage will come.
    pub(super) fn with_usage_to_come(self) -> Self {
        Self { usage: Some(None), ..self }
    }
}

impl From<Outcome> for Usage {
    fn from(outcome: Outcome) -> Self {
        let Outcome { prompt_tokens, completion_tokens, .. } = outcome;
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
    }
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}
