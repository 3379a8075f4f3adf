//! `GET /v1/runs/{id}/events`: events as they come, from any number on, until the run's end.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, stream};
use http::HeaderMap;
use sophia_domain::{Problem, ProblemDocument, Step};
use sophia_runs::{EventRow, NewRun, RunStatus};
use sophia_store::follow::LOOK_EVERY;
use tokio::sync::watch;

use super::{EventParams, Found, ShownEvent};
use crate::{
    control::{Refusal, extract::Params},
    node::Node,
};

/// Events read at once.
const PAGE: u32 = 256;

const LAST_EVENT_ID: &str = "last-event-id";

/// Where a reader is.
struct Reader {
    node: Arc<Node>,
    run: NewRun,
    /// The last event that was read.
    after: u64,
    read: VecDeque<EventRow>,
    news: News,
}

/// How a reader learns that there is more.
enum News {
    /// This node executes the run, and says so.
    Here(watch::Receiver<u64>),
    /// Another one does: its rows are looked at every so often.
    Elsewhere,
    /// Nothing more will come.
    Over,
}

/// Sends what is there, and then what comes.
pub(in crate::control) async fn events(
    Found(row): Found,
    State(node): State<Arc<Node>>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let after = last_event_id(&headers)?.or(params.after).unwrap_or_default();
    // Watched before the first page is read, so that nothing falls between.
    let watch = match node.runs.watch(&row.new.run) {
        Some(watch) => News::Here(watch),
        None if node.runs.is_elsewhere(&row) => News::Elsewhere,
        None => News::Over,
    };
    let reader = Reader { node, run: row.new, after, read: VecDeque::new(), news: watch };
    Ok(Sse::new(reader.into_stream()).keep_alive(KeepAlive::default()).into_response())
}

impl Reader {
    /// Ends after `swarm_end`, and where the events cannot be read: then the client comes back
    /// with the last number that it has.
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(row) = self.read.pop_front() {
                return self.written(row);
            }
            // Asked before the page is read: what is written afterwards is news.
            let is_over = self.is_over().await?;
            if let News::Here(watch) = &mut self.news {
                watch.mark_unchanged();
            }
            let page = self.node.runs.events(&self.run.run, self.after, PAGE).await;
            let page = page.inspect_err(|error| tracing::error!(%error, "events cannot be read")).ok()?;
            self.read = page.into();
            if self.read.is_empty() {
                if is_over {
                    return None;
                }
                match &mut self.news {
                    // An error is the end of the run, which the next page shows.
                    News::Here(watch) => drop(watch.changed().await),
                    News::Elsewhere => tokio::time::sleep(LOOK_EVERY).await,
                    News::Over => {}
                }
            }
        }
    }

    /// Whether the run has ended; none where that cannot be read.
    async fn is_over(&self) -> Option<bool> {
        match &self.news {
            News::Here(watch) => Some(watch.has_changed().is_err()),
            News::Elsewhere => {
                let row = self.node.runs.get(&self.run.run).await;
                let row = row.inspect_err(|error| tracing::error!(%error, "a run cannot be read")).ok()?;
                Some(row.is_none_or(|row| row.status != RunStatus::Running))
            }
            News::Over => Some(true),
        }
    }

    fn written(&mut self, row: EventRow) -> Option<Event> {
        self.after = row.seq;
        let shown = ShownEvent::of(row, &self.run);
        let event = Event::default().id(shown.seq.to_string()).event(&shown.kind);
        event.json_data(&shown).inspect_err(|error| tracing::error!(%error, "an event cannot be written")).ok()
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ProblemDocument> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| {
        let detail = "`Last-Event-ID` is the number of an event, or left out";
        Problem::caller(400, "invalid-event-id", "The event id cannot be", detail).at(Step::Request)
    })
}
