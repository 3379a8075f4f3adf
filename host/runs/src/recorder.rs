//! What a pattern does, taken down: the sandbox's port to the journal and the timeline of one run.

mod events;
mod rows;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use http::HeaderValue;
use serde_json::{Value, json};
use sophia_domain::{KeyId, PluginName, RunId, Usd};
use sophia_ledger::{BudgetScope, Ledger};
use sophia_models::{Asker, Models};
use sophia_sandbox::{Agent, AgentOutcome, Answer, HostCall, PluginError, RunFault, RunPort, SubStep};
use sophia_store::runs::{EventRow, RunRef, RunWrite, StepRow};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    agent,
    error::WriteError,
    timeline::{self, AGENT_MESSAGE, AGENT_START},
    writer::{Entry, Message, Queue},
};

pub(crate) use events::Events;
use rows::{agent_id, answered, row, step};
pub(crate) use rows::{event, micros, now};

/// Takes a run down. One per run, until it is closed.
pub(crate) struct Recorder {
    pub(crate) about: About,
    pub(crate) rooms: Rooms,
    queue: Queue,
    seen: Arc<watch::Sender<u64>>,
    /// Events of the guest's that are not written yet.
    unwritten: Arc<Semaphore>,
    state: Mutex<State>,
}

/// What stays the same for as long as a run is.
pub(crate) struct About {
    pub(crate) run: RunRef,
    pub(crate) key: KeyId,
    pub(crate) pattern: PluginName,
    pub(crate) traceparent: Option<HeaderValue>,
    pub(crate) began: Instant,
}

/// What agents think with and budgets are kept by.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub(crate) models: Models,
    pub(crate) ledger: Ledger,
}

/// What changes with each host call. Its order is that of the queue: both change under one lock.
struct State {
    next_step: u32,
    notes: Vec<RunWrite>,
    note_bytes: usize,
    /// The last event's number.
    seq: u64,
    /// The sum of what events said was spent.
    announced: Usd,
    open: HashMap<SubStep, Open>,
    /// Nothing is taken down after the end.
    is_closed: bool,
}

/// An item that is under way.
struct Open {
    call: HostCall,
    began: Instant,
    pieces: u32,
    agent: Option<Begun>,
}

/// An agent that began: the event that says so, and its role.
#[derive(Clone)]
struct Begun {
    event: u64,
    role: String,
}

/// The first event is written with the run's record.
const FIRST_EVENT: u64 = 1;

/// Bytes of notes that wait for the next step. A guest that asks for more before it does anything
/// is ended: the journal could not be replayed without them.
const MAX_NOTE_BYTES: usize = 4 << 20;

/// Events of the guest's that wait to be written; one more waits for a place.
const MAX_UNWRITTEN: usize = 256;

impl Recorder {
    pub(crate) fn new(about: About, rooms: Rooms, queue: Queue, seen: Arc<watch::Sender<u64>>) -> Self {
        let state = State {
            next_step: 0,
            notes: Vec::new(),
            note_bytes: 0,
            seq: FIRST_EVENT,
            announced: Usd::ZERO,
            open: HashMap::new(),
            is_closed: false,
        };
        let unwritten = Arc::new(Semaphore::new(MAX_UNWRITTEN));
        Self { about, rooms, queue, seen, unwritten, state: Mutex::new(state) }
    }

    /// Goes on after an event, and after what earlier events said was spent.
    pub(crate) fn resume(&self, seq: u64, announced: Usd) {
        let mut state = self.state();
        (state.seq, state.announced) = (seq, announced);
    }

    /// Whether more notes were asked for than wait. The run then has no journal to be replayed from.
    pub(crate) fn has_lost_notes(&self) -> bool {
        self.state().note_bytes > MAX_NOTE_BYTES
    }

    /// The last that is taken down: what is not written yet, and what the end adds. Whatever comes
    /// later is refused.
    pub(crate) async fn close(
        &self,
        spent: Usd,
        end: impl FnOnce(&mut Events<'_>) -> Vec<RunWrite>,
    ) -> Result<(), WriteError> {
        let written = {
            let mut state = self.state();
            if std::mem::replace(&mut state.is_closed, true) {
                return Err(WriteError::Closed);
            }
            let mut writes = std::mem::take(&mut state.notes);
            let mut events = Events { state: &mut state };
            // Calls that were cut off, or failed at an upstream that billed them.
            let unsaid = spent.saturating_sub(events.state.announced);
            if unsaid > Usd::ZERO {
                let said = "spent by calls that gave no answer".to_owned();
                writes.push(events.spent(unsaid, None, EventRow { content: Some(said), ..EventRow::default() }));
            }
            writes.extend(end(&mut events));
            self.send(&state, writes)
        };
        written.await.unwrap_or(Err(WriteError::Closed))
    }

    /// Takes down one change, in the order in which the state changes, and waits until it is durable.
    async fn write(&self, change: impl FnOnce(&mut Events<'_>) -> Vec<RunWrite>) -> Result<(), WriteError> {
        let written = {
            let mut state = self.state();
            if state.is_closed {
                return Err(WriteError::Closed);
            }
            let writes = change(&mut Events { state: &mut state });
            self.send(&state, writes)
        };
        written.await.unwrap_or(Err(WriteError::Closed))
    }

    /// Into the queue, while the state is locked.
    fn send(&self, state: &State, writes: Vec<RunWrite>) -> oneshot::Receiver<Result<(), WriteError>> {
        let (reply, written) = oneshot::channel();
        let seen = Some((self.seen.clone(), state.seq));
        let entry = Entry { run: self.about.run.clone(), writes, seen, reply: Some(reply), place: None };
        // A writer that has ended drops the reply, and whoever waits is told.
        let _ = self.queue.send(Message::Entry(entry));
        written
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asker(&self) -> Asker {
        Asker {
            tenant: self.about.run.tenant.clone(),
            key: self.about.key.clone(),
            plugin: Some(self.about.pattern.clone()),
            run: Some(self.about.run.id.clone()),
            most: None,
            traceparent: self.about.traceparent.clone(),
        }
    }

    async fn begin_turn(&self, at: SubStep, agent: &Agent, intent: String) -> Result<Begun, WriteError> {
        let mut begun = Begun { event: 0, role: timeline::role(&agent.role) };
        let role = begun.role.clone();
        self.write(|events| {
            let start = events.next(
                AGENT_START,
                EventRow {
                    agent: Some(agent_id(at)),
                    role: Some(role.clone()),
                    content: Some(timeline::preview(&agent.task)),
                    data: Some(json!({ "class": agent.class, "budget_micro_usd": agent.budget }).to_string()),
                    parent: Some(FIRST_EVENT),
                    ..EventRow::default()
                },
            );
            begun.event = start.seq;
            if let Some(open) = events.state.open.get_mut(&at) {
                open.agent = Some(begun.clone());
            }
            vec![step(at, 1, HostCall::Complete, intent), event(start)]
        })
        .await?;
        Ok(begun)
    }

    async fn end_turn(
        &self,
        at: SubStep,
        begun: &Begun,
        turn: &Result<agent::Turn, PluginError>,
        took: Duration,
    ) -> Result<(), WriteError> {
        let answer = Answer {
            record: json!(turn),
            model: turn.as_ref().ok().map(|turn| turn.model.clone()),
            usage: turn.as_ref().ok().map(|turn| turn.usage),
            error: turn.as_ref().err().cloned(),
        };
        self.write(|events| {
            let mut writes = vec![answered(at, 1, &answer)];
            if let Ok(turn) = turn {
                let shown = EventRow {
                    agent: Some(agent_id(at)),
                    role: Some(begun.role.clone()),
                    model: Some(turn.model.clone()),
                    parent: Some(begun.event),
                    ..EventRow::default()
                };
                let said = EventRow {
                    content: Some(timeline::preview(&turn.content)),
                    duration_micros: Some(micros(took)),
                    ..shown.clone()
                };
                writes.push(event(events.next(AGENT_MESSAGE, said)));
                writes.push(events.spent(turn.usage.cost, Some(turn.usage), shown));
            }
            writes
        })
        .await
    }
}

#[async_trait]
impl RunPort for Recorder {
    fn id(&self) -> &RunId {
        &self.about.run.id
    }

    fn note(&self, call: HostCall, answer: Value) {
        let mut state = self.state();
        let answer = answer.to_string();
        state.note_bytes = state.note_bytes.saturating_add(answer.len());
        if state.note_bytes > MAX_NOTE_BYTES || state.is_closed {
            return;
        }
        let at = SubStep { step: state.next_step, item: 0 };
        state.next_step += 1;
        let row = StepRow { intent: None, answer: Some(answer), ended_micros: Some(now()), ..row(at, 0, call) };
        state.notes.push(RunWrite::Step(Box::new(row)));
    }

    async fn begin(&self, call: HostCall, items: Vec<Value>) -> Result<u32, RunFault> {
        let intents: Vec<String> = items.iter().map(Value::to_string).collect();
        if self.has_lost_notes() {
            return Err(RunFault(format!("a pattern may note {MAX_NOTE_BYTES} bytes between two steps")));
        }
        let mut number = 0;
        let written = self.write(|events| {
            let state = &mut *events.state;
            number = state.next_step;
            state.next_step += 1;
            state.note_bytes = 0;
            let mut writes = std::mem::take(&mut state.notes);
            for (item, intent) in (0..).zip(intents) {
                let at = SubStep { step: number, item };
                state.open.insert(at, Open { call, began: Instant::now(), pieces: 0, agent: None });
                writes.push(step(at, 0, call, intent));
            }
            writes
        });
        written.await.map_err(fault)?;
        Ok(number)
    }

    async fn piece(&self, at: SubStep, piece: Value) -> Result<(), RunFault> {
        let text = piece.to_string();
        let written = self.write(|events| {
            let mut writes = std::mem::take(&mut events.state.notes);
            let Some(open) = events.state.open.get_mut(&at) else { return writes };
            open.pieces += 1;
            let row = StepRow {
                answer: Some(text),
                intent: None,
                ended_micros: Some(now()),
                ..row(at, open.pieces, open.call)
            };
            writes.push(RunWrite::Step(Box::new(row)));
            events.state.note_bytes = 0;
            writes
        });
        written.await.map_err(fault)
    }

    async fn end(&self, at: SubStep, answer: Answer) -> Result<(), RunFault> {
        let written = self.write(|events| {
            let Some(open) = events.state.open.remove(&at) else { return Vec::new() };
            let mut writes = vec![answered(at, 0, &answer)];
            writes.extend(events.of_end(at, open, &answer));
            writes
        });
        written.await.map_err(fault)
    }

    async fn agent(&self, at: SubStep, agent: Agent) -> Result<AgentOutcome, PluginError> {
        let request = agent::request(&agent)?;
        let unwritten = |error: WriteError| PluginError::Other(format!("the agent's turn is not written: {error}"));
        let begun = self.begin_turn(at, &agent, json!(request).to_string()).await.map_err(unwritten)?;
        let began = Instant::now();
        let turn = agent::take(&self.rooms.models, self.asker(), &agent, request).await;
        self.end_turn(at, &begun, &turn, began.elapsed()).await.map_err(unwritten)?;
        turn.map(agent::Turn::into_outcome)
    }

    async fn emit(&self, kind: &str, data: &str) -> Result<(), PluginError> {
        timeline::check(kind, data)?;
        let closed = || PluginError::Other("the run has ended".to_owned());
        let place = self.unwritten.clone().acquire_owned().await.map_err(|_| closed())?;
        let mut state = self.state();
        if state.is_closed {
            return Err(closed());
        }
        let row = EventRow {
            is_guests: true,
            content: Some(timeline::preview(data)),
            data: Some(data.to_owned()),
            parent: Some(FIRST_EVENT),
            ..EventRow::default()
        };
        let row = Events { state: &mut state }.next(kind, row);
        let seen = Some((self.seen.clone(), row.seq));
        let entry =
            Entry { run: self.about.run.clone(), writes: vec![event(row)], seen, reply: None, place: Some(place) };
        self.queue.send(Message::Entry(entry)).map_err(|_| closed())
    }

    fn remaining(&self) -> Usd {
        let RunRef { tenant, id } = &self.about.run;
        let scopes = [
            BudgetScope::Run(tenant.clone(), id.clone()),
            BudgetScope::Key(tenant.clone(), self.about.key.clone()),
            BudgetScope::Tenant(tenant.clone()),
        ];
        let left = scopes.iter().filter_map(|scope| self.rooms.ledger.budget(scope)).map(|budget| budget.left);
        left.min().unwrap_or(Usd::ZERO)
    }
}

fn fault(error: WriteError) -> RunFault {
    RunFault(match error {
        WriteError::Store(source) => source.to_string(),
        WriteError::Closed => error.to_string(),
    })
}
