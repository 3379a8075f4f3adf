//! A model's answer as server-sent events, as OpenAI writes them:
//! `data: {chunk}`, a blank line, and `data: [DONE]` at the end. An error behind the head is an
//! event of its own, and no `[DONE]` follows.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use futures::{Stream, stream};
use sophia_models::{ChatStream, ModelError, StreamEvent};

use super::exchange::Exchange;
use crate::{
    admission::ModelPermit,
    metrics::{CANCELLED, ModelMeter},
};

/// The body of a streamed answer. Dropping it ends generation and bills what was delivered.
pub(crate) struct ModelStream(State);

enum State {
    /// Until the request's account is handed over.
    Begun(Box<Told>),
    /// One future is kept from poll to poll: it holds the time that the next event may take.
    Flowing(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    Over,
}

/// An answer that is being told, with what must live as long: its place among the requests under
/// way, and the request's account, which is closed when the last byte is gone or the caller is.
struct Told {
    answer: ChatStream,
    meter: Arc<ModelMeter>,
    account: Option<Account>,
    n_sent: u64,
    /// Until the answer's own end, its caller has left it.
    failure: Option<&'static str>,
    _permit: ModelPermit,
}

struct Account {
    exchange: Exchange,
    status: u16,
    /// When the head was handed over. What passes since is the upstream's time and the caller's.
    since: Instant,
}

const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

impl ModelStream {
    /// Of an answer that has begun.
    pub(crate) fn new(answer: ChatStream, meter: Arc<ModelMeter>, permit: ModelPermit) -> Self {
        let failure = Some(CANCELLED);
        Self(State::Begun(Box::new(Told { answer, meter, account: None, n_sent: 0, failure, _permit: permit })))
    }

    /// Hands over the account, to be closed with the body.
    pub(super) fn account(&mut self, exchange: Exchange, status: u16) {
        if let State::Begun(told) = &mut self.0 {
            told.account = Some(Account { exchange, status, since: Instant::now() });
        }
    }

    /// The next event; none after the last.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match std::mem::replace(&mut self.0, State::Over) {
                State::Begun(told) => self.0 = State::Flowing(Box::pin(events(told))),
                State::Flowing(mut events) => {
                    let event = events.as_mut().poll_next(cx);
                    if !matches!(event, Poll::Ready(None)) {
                        self.0 = State::Flowing(events);
                    }
                    return event;
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

fn events(told: Box<Told>) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(told, |mut told| async move { Some((told.next().await?, told)) })
}

impl Told {
    async fn next(&mut self) -> Option<Bytes> {
        let bytes = match self.answer.next().await? {
            Ok(StreamEvent::Delta { json, .. } | StreamEvent::Usage { json }) => event(&json),
            Ok(StreamEvent::Done(_)) => {
                self.failure = None;
                DONE
            }
            Err(error) => self.broken_off(&error),
        };
        self.n_sent = self.n_sent.saturating_add(bytes.len() as u64);
        Some(bytes)
    }

    fn broken_off(&mut self, error: &ModelError) -> Bytes {
        self.failure = Some(error.code());
        event(&error.to_openai().to_json())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let Some(Account { mut exchange, status, since }) = self.account.take() else { return };
        exchange.waited(since.elapsed());
        exchange.answered_by(self.meter.clone(), self.answer.used(), self.failure);
        let wall = exchange.wall();
        exchange.close((status, self.n_sent), wall);
    }
}

/// One event. A line's end within JSON is white space, and would end the event's line here.
fn event(json: &str) -> Bytes {
    let mut event = Vec::with_capacity(json.len() + 8);
    event.extend_from_slice(b"data: ");
    event.extend(json.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    event.extend_from_slice(b"\n\n");
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        assert_eq!(&*event("{\"a\":\r\n1}"), b"data: {\"a\":  1}\n\n");
    }
}
