use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use sophia_domain::{PluginName, RunId, TenantId, Usd};
use sophia_ledger::{BudgetScope, Ledger};
use sophia_models::Models;
use sophia_store::{
    Store, StoreError,
    runs::{self as rows, EventRow, NewRun, RunFilter, RunRef, RunRow, RunStatus, StepRow, TimelineTotals},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    CancelError, Order, RunsConfig, RunsError, StartError, Work,
    closing::{self, Ended},
    conduct::{self, Conduct},
    interrupted,
    recorder::{About, Recorder, Rooms, now},
    timeline::{self, SWARM_START},
    writer::{self, Message, Queue},
};

/// All runs of a node. Opened once at boot; cheap to clone.
#[derive(Clone)]
pub struct Runs(pub(crate) Arc<Inner>);

/// What runs are kept and paid with.
pub struct Parts {
    /// Where they are written.
    pub store: Store,
    /// Who holds the money.
    pub ledger: Ledger,
    /// What agents think with.
    pub models: Models,
    /// What the operator decided.
    pub config: RunsConfig,
}

/// A run that was asked for.
#[derive(Debug, Clone)]
pub struct Started {
    /// As it is now.
    pub run: RunRow,
    /// Whether this request began it, and no earlier one of the same name.
    pub is_new: bool,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) rooms: Rooms,
    config: RunsConfig,
    pub(crate) queue: Queue,
    places: Arc<Semaphore>,
    live: Mutex<HashMap<RunRef, Arc<LiveRun>>>,
    /// Runs under way, and those that are being started.
    tasks: TaskTracker,
    /// Until it is drained.
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A run under way, as others see it.
pub(crate) struct LiveRun {
    /// Ends it.
    pub(crate) stop: CancellationToken,
    /// Its record is closed.
    pub(crate) closed: CancellationToken,
    pub(crate) is_nodes_end: AtomicBool,
    seen: Arc<watch::Sender<u64>>,
}

/// Who ends a run from outside.
pub(crate) enum Why {
    /// Somebody asked for it.
    Asked,
    /// The node stops.
    NodeStops,
}

/// Of the time for draining, what is kept for closing those that are cut off.
const CLOSING_TIME: Duration = Duration::from_secs(3);

impl Runs {
    /// Opens the room: what an earlier process left running is closed as interrupted.
    pub async fn open(parts: Parts) -> Result<Self, RunsError> {
        let Parts { store, ledger, models, config } = parts;
        let rooms = Rooms { models, ledger };
        let (queue, messages) = mpsc::unbounded_channel();
        let writer = tokio::spawn(writer::run(store.clone(), messages));
        interrupted::close_all(&store, &rooms, &queue).await?;
        Ok(Self(Arc::new(Inner {
            store,
            rooms,
            config,
            queue,
            places: Arc::new(Semaphore::new(usize::try_from(config.max_concurrent).unwrap_or(usize::MAX))),
            live: Mutex::default(),
            tasks: TaskTracker::new(),
            writer: Mutex::new(Some(writer)),
        })))
    }

    /// Begins a run. When this comes back it is written down, has its budget, and goes on by
    /// itself; dropping the future does not take it back.
    pub async fn start(&self, order: Order, work: Work) -> Result<Started, StartError> {
        if self.0.tasks.is_closed() {
            return Err(StartError::Closed);
        }
        let inner = self.0.clone();
        // Whoever asked may leave between the record and the run.
        let begun = self.0.tasks.spawn(async move { inner.begin(order, work).await });
        begun.await.unwrap_or(Err(StartError::Closed))
    }

    /// One run. What one under way has spent is what its calls that ended came to.
    pub async fn get(&self, run: &RunRef) -> Result<Option<RunRow>, RunsError> {
        match self.0.store.run(run).await? {
            Some(row) => self.0.with_spent(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Runs, newest first: at most `limit` (and 200) of those before a number, if given.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<RunRow>, RunsError> {
        let mut rows = Vec::new();
        for row in self.0.store.runs(tenant, filter, before, limit).await? {
            rows.push(self.0.with_spent(row).await?);
        }
        Ok(rows)
    }

    /// Events in their order: at most `limit` (and 1,000) after a number.
    pub async fn events(&self, run: &RunRef, after: u64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.0.store.run_events(run, after, limit).await
    }

    /// A timeline summed up.
    pub async fn totals(&self, run: &RunRef) -> Result<TimelineTotals, StoreError> {
        self.0.store.run_totals(run).await
    }

    /// Rows of the journal in their order: at most `limit` (and 500) after a place, if given.
    pub async fn journal(
        &self,
        run: &RunRef,
        after: Option<(u32, u32, u32)>,
        limit: u32,
    ) -> Result<Vec<StepRow>, StoreError> {
        self.0.store.run_journal(run, after, limit).await
    }

    /// The number of the last event that can be read, as it grows; none where the run is not under
    /// way, and closed when it has ended.
    pub fn watch(&self, run: &RunRef) -> Option<watch::Receiver<u64>> {
        self.0.live().get(run).map(|live| live.seen.subscribe())
    }

    /// Runs under way.
    pub fn n_running(&self) -> usize {
        self.0.live().len()
    }

    /// What the operator decided.
    pub fn config(&self) -> RunsConfig {
        self.0.config
    }

    /// Ends a run and waits until its record is closed. Asking again changes nothing; one that has
    /// ended by itself says so.
    pub async fn cancel(&self, run: &RunRef) -> Result<RunRow, CancelError> {
        let live = self.0.live().get(run).cloned();
        if let Some(live) = live {
            live.stop.cancel();
            live.closed.cancelled().await;
        } else if self.0.store.is_shared() {
            self.cancel_elsewhere(run).await?;
        }
        let row = self.0.store.run(run).await.map_err(CancelError::Store)?.ok_or(CancelError::Unknown)?;
        match row.status {
            RunStatus::Cancelled => Ok(row),
            RunStatus::Running => Err(CancelError::Store(StoreError::Missing("end of the run"))),
            ended => Err(CancelError::Ended(ended)),
        }
    }

    /// Begins no more runs, waits for those under way, and ends what is left when the time is
    /// nearly over. Called once, at shutdown, while the ledger still takes charges.
    pub async fn drain(&self, within: Duration) {
        self.0.tasks.close();
        let for_runs = within.saturating_sub(CLOSING_TIME.min(within / 4));
        if timeout(for_runs, self.0.tasks.wait()).await.is_err() {
            for live in self.0.live().values() {
                live.is_nodes_end.store(true, SeqCst);
                live.stop.cancel();
            }
            self.0.tasks.wait().await;
        }
        let _ = self.0.queue.send(Message::Close);
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // An error would be its panic, already printed.
            let _ = writer.await;
        }
    }
}

impl Inner {
    async fn begin(self: Arc<Self>, order: Order, work: Work) -> Result<Started, StartError> {
        let budget = self.check(&order)?;
        let permit = self.places.clone().try_acquire_owned();
        let permit = permit.map_err(|_| StartError::Busy(self.config.max_concurrent))?;
        let run = RunRef { tenant: order.tenant.clone(), id: new_id() };
        let new = new_run(&order, run.clone(), budget);
        let began = Instant::now();
        // Before there is a record: whoever finds that can end the run.
        let gone = self.add(&run);
        match self.store.start_run(&new, &first_event(&new)).await.map_err(StartError::Store)? {
            rows::Started::New => {}
            rows::Started::Before(row) if row.new.request_digest == order.request_digest => {
                return Ok(Started { run: *row, is_new: false });
            }
            rows::Started::Before(row) => return Err(StartError::Reused { run: row.new.run.id }),
        }
        self.set_off(order, new, (began, budget), (permit, gone), work).await?;
        let row = self.store.run(&run).await.map_err(StartError::Store)?;
        let row = row.ok_or(StartError::Store(StoreError::Missing("run")))?;
        Ok(Started { run: row, is_new: true })
    }

    /// From the written record to the task that carries the run out.
    async fn set_off(
        self: &Arc<Self>,
        order: Order,
        new: NewRun,
        (began, budget): (Instant, Usd),
        (permit, gone): (OwnedSemaphorePermit, Gone),
        work: Work,
    ) -> Result<(), StartError> {
        let run = new.run.clone();
        let live = gone.live.clone();
        let about =
            About { run: run.clone(), key: order.key, pattern: order.pattern, traceparent: order.traceparent, began };
        let recorder = Arc::new(Recorder::new(about, self.rooms.clone(), self.queue.clone(), live.seen.clone()));
        let scope = BudgetScope::Run(run.tenant.clone(), run.id.clone());
        if let Err(error) = self.rooms.ledger.set_budget(scope, Some(budget)).await {
            let fault = sophia_domain::Fault::Host("the run's budget cannot be set".to_owned());
            conduct::close(&recorder, Ended::Fault(fault)).await;
            return Err(StartError::Ledger(error));
        }
        let conduct = Conduct { recorder, live, work, arguments: order.arguments, place: order.place, permit };
        self.tasks.spawn(async move {
            conduct.carry_out().await;
            drop(gone);
        });
        Ok(())
    }

    /// Among those under way, until the answer is dropped.
    fn add(self: &Arc<Self>, run: &RunRef) -> Gone {
        let live = Arc::new(LiveRun::new());
        self.live().insert(run.clone(), live.clone());
        Gone { inner: self.clone(), run: run.clone(), live }
    }

    /// A row of a run under way does not say yet what its calls came to; the ledger does.
    async fn with_spent(&self, row: RunRow) -> Result<RunRow, RunsError> {
        match row.status {
            RunStatus::Running => {
                let spent = closing::spent(&self.rooms.ledger, &row.new.run).await?;
                Ok(RunRow { spent, ..row })
            }
            _ => Ok(row),
        }
    }

    fn check(&self, order: &Order) -> Result<Usd, StartError> {
        serde_json::from_str::<&serde_json::value::RawValue>(&order.arguments)
            .map_err(|wrong| StartError::Arguments(wrong.to_string()))?;
        let most = self.config.max_budget;
        let budget = order.budget.unwrap_or(self.config.budget);
        if budget == Usd::ZERO {
            return Err(StartError::NoBudget);
        }
        if budget > most { Err(StartError::TooDear { budget, most }) } else { Ok(budget) }
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, HashMap<RunRef, Arc<LiveRun>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveRun {
    fn new() -> Self {
        let (seen, _) = watch::channel(1);
        Self {
            stop: CancellationToken::new(),
            closed: CancellationToken::new(),
            is_nodes_end: AtomicBool::new(false),
            seen: Arc::new(seen),
        }
    }

    /// Who ended it.
    pub(crate) fn why(&self) -> Why {
        if self.is_nodes_end.load(SeqCst) { Why::NodeStops } else { Why::Asked }
    }
}

/// Takes a run out of those under way, however its task ends.
struct Gone {
    inner: Arc<Inner>,
    run: RunRef,
    live: Arc<LiveRun>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.inner.live().remove(&self.run);
        self.live.closed.cancel();
    }
}

/// 80 random bits: no two runs are ever alike, and the name can be read out.
fn new_id() -> RunId {
    RunId::from(format!("run-{:020x}", fastrand::u128(..) >> 48))
}

fn new_run(order: &Order, run: RunRef, budget: Usd) -> NewRun {
    NewRun {
        run,
        pattern: order.pattern.clone(),
        digest: order.digest,
        key: order.key.clone(),
        arguments: order.arguments.clone(),
        budget,
        idempotency_key: order.idempotency_key.clone(),
        request_digest: order.request_digest,
        started_micros: now(),
    }
}

fn first_event(new: &NewRun) -> EventRow {
    let pattern: &PluginName = &new.pattern;
    EventRow {
        seq: 1,
        at_micros: new.started_micros,
        kind: SWARM_START.to_owned(),
        content: Some(timeline::preview(&new.arguments)),
        data: Some(serde_json::json!({ "pattern": pattern, "budget_micro_usd": new.budget }).to_string()),
        ..EventRow::default()
    }
}
