//! A streamed answer: server-sent events, each a piece, the last one `[DONE]`, whatever happens.

use std::convert::Infallible;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, stream};
use serde::Serialize;

use super::{
    Events,
    answer::{Answer, Chunk, Delta},
};
use crate::{
    api::error::ApiError,
    chat::{Event, Outcome},
    drain::Owed,
};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// Whether a stream says at its end what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamUsage {
    /// It does, in a piece of its own.
    Included,
    /// It does not.
    LeftOut,
}

/// What a stream is made from. Dropped with the response, which abandons the answer.
pub(super) struct Parts {
    pub(super) answer: Answer,
    pub(super) events: Events,
    pub(super) usage: StreamUsage,
    /// Held until the last byte: a draining worker waits for it.
    pub(super) _owed: Owed,
}

enum State {
    Begin(Parts),
    Middle(Parts),
    End,
}

/// The answer's head and its stream.
pub(super) fn response(parts: Parts) -> Response {
    let headers = [(header::CONTENT_TYPE, EVENT_STREAM), (header::CACHE_CONTROL, NO_CACHE)];
    (headers, Body::from_stream(frames(parts))).into_response()
}

fn frames(parts: Parts) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(State::Begin(parts), |state| async {
        let (frame, state) = step(state).await?;
        Some((Ok(Bytes::from(frame)), state))
    })
}

async fn step(state: State) -> Option<(String, State)> {
    match state {
        State::Begin(parts) => {
            let frame = parts.piece(Delta { role: Some("assistant"), content: Some("") });
            Some((frame, State::Middle(parts)))
        }
        State::Middle(mut parts) => loop {
            match parts.events.recv().await {
                Some(Event::Started) => {}
                Some(Event::Text(text)) => {
                    let frame = parts.piece(Delta { role: None, content: Some(&text) });
                    return Some((frame, State::Middle(parts)));
                }
                Some(Event::Ended(outcome)) => return Some((parts.end(outcome), State::End)),
                Some(Event::Failed(error)) => return Some((failed(&error.into()), State::End)),
                None => return Some((failed(&ApiError::draining()), State::End)),
            }
        },
        State::End => None,
    }
}

impl Parts {
    fn piece(&self, delta: Delta<'_>) -> String {
        event(&self.usage_to_come(self.answer.chunk(delta, None)))
    }

    /// Why it ended, what it took if that was asked for, and the mark of the end.
    fn end(&self, outcome: Outcome) -> String {
        let mut frame = event(&self.usage_to_come(self.answer.chunk(Delta::default(), Some(outcome.finish))));
        if self.usage == StreamUsage::Included {
            frame.push_str(&event(&self.answer.usage_chunk(outcome)));
        }
        frame + DONE
    }

    fn usage_to_come<'a>(&self, chunk: Chunk<'a>) -> Chunk<'a> {
        match self.usage {
            StreamUsage::Included => chunk.with_usage_to_come(),
            StreamUsage::LeftOut => chunk,
        }
    }
}

const DONE: &str = "data: [DONE]\n\n";

fn failed(error: &ApiError) -> String {
    event(&error.body()) + DONE
}

fn event(value: &impl Serialize) -> String {
    // Texts and numbers: there is nothing in it that has no JSON.
    format!("data: {}\n\n", serde_json::to_string(value).unwrap_or_default())
}
