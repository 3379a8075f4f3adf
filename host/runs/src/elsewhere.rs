//! Runs and the other nodes: one is ended wherever it executes, and closed by whoever lives.

use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use sophia_domain::RunId;
use sophia_store::{
    StoreError,
    follow::LOOK_EVERY,
    generations::Topic,
    runs::{RunRef, RunRow, RunStatus},
};
use tokio::time::sleep;

use crate::{CancelError, Runs, RunsError, interrupted};

/// How long another node may take to end a run that it was asked to end. One that died is found
/// out in less.
const ELSEWHERE: Duration = Duration::from_secs(30);

impl Runs {
    /// Whether another node executes a run.
    pub fn is_elsewhere(&self, row: &RunRow) -> bool {
        row.status == RunStatus::Running && self.0.store.is_shared() && !self.0.live().contains_key(&row.new.run)
    }

    /// Asks the node that executes a run to end it, and waits until it has.
    pub(crate) async fn cancel_elsewhere(&self, run: &RunRef) -> Result<(), CancelError> {
        let is_running = async || {
            let row = self.0.store.run(run).await.map_err(CancelError::Store)?.ok_or(CancelError::Unknown)?;
            Ok(row.status == RunStatus::Running)
        };
        if !is_running().await? {
            return Ok(());
        }
        self.0.store.ask_cancel(&run.tenant, &run.id).await.map_err(CancelError::Store)?;
        let until = Instant::now() + ELSEWHERE;
        while is_running().await? && Instant::now() < until {
            sleep(LOOK_EVERY / 4).await;
        }
        Ok(())
    }

    /// Closes the runs of nodes that died, as interrupted. Each is closed by one of those that find it.
    pub async fn adopt(&self) -> Result<(), RunsError> {
        interrupted::close_all(&self.0.store, &self.0.rooms, &self.0.queue).await
    }

    /// Ends the runs of this node that others were asked to end.
    pub async fn heed_cancels(&self) -> Result<(), StoreError> {
        for asked in self.0.store.generations(Topic::Cancels).await? {
            let run = RunRef { tenant: asked.tenant, id: RunId::from(asked.item) };
            if let Some(live) = self.0.live().get(&run) {
                live.stop.cancel();
            }
        }
        Ok(())
    }

    /// Ends all runs of this node, which was taken for dead: others close their records.
    pub fn abandon(&self) {
        for live in self.0.live().values() {
            live.is_nodes_end.store(true, SeqCst);
            live.stop.cancel();
        }
    }
}
