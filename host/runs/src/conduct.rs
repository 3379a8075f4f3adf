//! One run, from its first step to its closed record.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures::FutureExt;
use sophia_domain::Fault;
use sophia_ledger::BudgetScope;
use sophia_sandbox::Task;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    closing::{self, Ended},
    order::Work,
    recorder::Recorder,
    runs::{LiveRun, Why},
};

/// What a run is carried out with. All of it is given back when the run is closed.
pub(crate) struct Conduct {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) live: Arc<LiveRun>,
    pub(crate) work: Work,
    pub(crate) arguments: String,
    /// Among the running calls, with the version.
    pub(crate) place: Box<dyn Send>,
    /// Among the runs.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Conduct {
    /// Runs the pattern until it ends or is ended, and closes the record.
    pub(crate) async fn carry_out(self) {
        let Self { recorder, live, work, arguments, place, permit } = self;
        let ended = execute(&recorder, &live, work, arguments).await;
        let ended = if recorder.has_lost_notes() { lost_notes(ended) } else { ended };
        say(&recorder, &ended);
        close(&recorder, ended).await;
        drop((place, permit));
    }
}

/// The pattern's call. Dropped where the run is ended from outside, and with it the guest's store,
/// every request under way and its hold.
async fn execute(recorder: &Arc<Recorder>, live: &LiveRun, work: Work, arguments: String) -> Ended {
    let task = Task { run: recorder.about.run.id.to_string(), arguments };
    let work = AssertUnwindSafe(work(recorder.clone(), task)).catch_unwind();
    tokio::select! {
        biased;
        () = live.stop.cancelled() => match live.why() {
            Why::Asked => Ended::Cancelled,
            Why::NodeStops => Ended::Interrupted,
        },
        done = work => match done {
            Ok(done) => Ended::of(done.outcome),
            Err(_) => Ended::Fault(Fault::Host("the run's task panicked".to_owned())),
        },
    }
}

/// Closes the record with what the run cost, and takes the budget back. What cannot be read or
/// written is closed as interrupted at the next start: no record says what is not known.
pub(crate) async fn close(recorder: &Recorder, ended: Ended) {
    let (run, ledger) = (&recorder.about.run, &recorder.rooms.ledger);
    let spent = closing::spent(ledger, run).await;
    let budget = BudgetScope::Run(run.tenant.clone(), run.id.clone());
    if let Err(error) = ledger.set_budget(budget, None).await {
        tracing::error!(run = %run.id, %error, "a run's budget cannot be taken back");
    }
    let spent = match spent {
        Ok(spent) => spent,
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(run = %run.id, error, "what a run cost cannot be read: the next start closes it");
            return;
        }
    };
    let took = recorder.about.began.elapsed();
    let closed = recorder.close(spent.cost, |events| ended.rows(events, took, spent)).await;
    if let Err(error) = closed {
        let error: &dyn std::error::Error = &error;
        tracing::error!(run = %run.id, error, "a run's end cannot be written: the next start closes it");
    }
}

fn lost_notes(ended: Ended) -> Ended {
    match ended {
        Ended::Outcome(_) | Ended::Error(_) => {
            Ended::Fault(Fault::Contract("it asked this node for more than the journal of a step holds".to_owned()))
        }
        other => other,
    }
}

fn say(recorder: &Recorder, ended: &Ended) {
    let (run, pattern) = (&recorder.about.run.id, &recorder.about.pattern);
    let took = Instant::now().duration_since(recorder.about.began);
    match ended {
        Ended::Fault(fault @ Fault::Host(_)) => tracing::error!(%run, %pattern, %fault, "a run failed in the node"),
        Ended::Fault(fault) => tracing::warn!(%run, %pattern, %fault, "a run failed"),
        Ended::Error(error) => tracing::info!(%run, %pattern, %error, ?took, "a run gave an error"),
        Ended::Outcome(_) => tracing::info!(%run, %pattern, ?took, "a run succeeded"),
        Ended::Cancelled => tracing::info!(%run, %pattern, ?took, "a run was cancelled"),
        Ended::Interrupted => tracing::warn!(%run, %pattern, ?took, "a run was cut off: the node stops"),
    }
}
