//! Runs that an earlier process left behind. Their charges are in the ledger; what it may have
//! spent beyond them stands in their record.

use std::{sync::Arc, time::Duration};

use sophia_domain::Usd;
use sophia_ledger::BudgetScope;
use sophia_store::{
    Store,
    runs::{Closing, RunRow, RunSpent, RunWrite},
};

use crate::{
    RunsError,
    closing::{self, Ended},
    recorder::{About, Recorder, Rooms},
    writer::Queue,
};

/// Closes all those whose node ended.
pub(crate) async fn close_all(store: &Store, rooms: &Rooms, queue: &Queue) -> Result<(), RunsError> {
    for row in store.adopt_runs().await? {
        tracing::warn!(run = %row.new.run.id, pattern = %row.new.pattern, "the node died during this run: it is closed");
        close(store, rooms, queue, &row).await?;
    }
    Ok(())
}

async fn close(store: &Store, rooms: &Rooms, queue: &Queue, row: &RunRow) -> Result<(), RunsError> {
    let new = &row.new;
    let budget = BudgetScope::Run(new.run.tenant.clone(), new.run.id.clone());
    let unreconciled = rooms.ledger.budget(&budget).map_or(Usd::ZERO, |budget| budget.unreconciled);
    let spent = RunSpent { unreconciled, ..closing::spent(&rooms.ledger, &new.run).await? };
    let last = store.last_run_event(&new.run).await?;
    let said = store.run_totals(&new.run).await?;
    let sign_of_life = match store.run_events(&new.run, last.saturating_sub(1), 1).await?.first() {
        Some(event) => event.at_micros,
        None => new.started_micros,
    };
    let took = u64::try_from(sign_of_life.saturating_sub(new.started_micros)).unwrap_or_default();
    let about = About {
        run: new.run.clone(),
        key: new.key.clone(),
        pattern: new.pattern.clone(),
        traceparent: None,
        began: std::time::Instant::now(),
    };
    let (seen, _) = tokio::sync::watch::channel(last);
    let recorder = Recorder::new(about, rooms.clone(), queue.clone(), Arc::new(seen));
    recorder.resume(last, said.cost);
    rooms.ledger.set_budget(budget, None).await?;
    let closed = recorder.close(spent.cost, |events| {
        let rows = Ended::Interrupted.rows(events, Duration::from_micros(took), spent);
        rows.into_iter().map(|row| at_last(row, sign_of_life)).collect()
    });
    if let Err(error) = closed.await {
        tracing::error!(run = %new.run.id, %error, "the record of a run that a node left cannot be closed");
    }
    Ok(())
}

/// It ended when it was last heard of, not when that was found out.
fn at_last(row: RunWrite, sign_of_life: i64) -> RunWrite {
    match row {
        RunWrite::Close(closing) => RunWrite::Close(Box::new(Closing { ended_micros: sign_of_life, ..*closing })),
        other => other,
    }
}
