//! The room `runs` keeps its records, journals and timelines here.
//!
//! A [`RunWrite`] is one row, or the end of one. What belongs together is written together: an
//! answer and the events that show it stand in one transaction, and so do many runs' writes.

mod events;
mod journal;
mod records;

use std::collections::HashSet;

use sophia_domain::{RunId, TenantId};
use sqlx::{Any, Transaction};

pub use events::{EventRow, RoleTotal, TimelineTotals};
pub use journal::{StepAnswer, StepRow, StepUsage};
pub use records::{Closing, NewRun, RunEnd, RunFilter, RunRow, RunSpent, RunStatus, Started};

use crate::{Store, StoreError, database::Database};

/// Which run a row is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunRef {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: RunId,
}

/// One row of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunWrite {
    /// A step, a turn, a piece: new.
    Step(Box<StepRow>),
    /// What came of one.
    Answer(Box<StepAnswer>),
    /// What people see of it.
    Event(Box<EventRow>),
    /// The run's end. Changes nothing where it has ended.
    Close(Box<Closing>),
}

impl Store {
    /// Writes rows of runs in their order, all or none. None where a run was taken over by another
    /// node, because this one was silent for too long.
    pub async fn write_runs<'a>(
        &self,
        writes: impl IntoIterator<Item = &'a (RunRef, RunWrite)>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.append().await?;
        let mut owned = HashSet::new();
        for (run, write) in writes {
            if owned.insert(run) {
                self.own(&mut transaction, run).await?;
            }
            match write {
                RunWrite::Step(row) => journal::insert(&mut transaction, run, row).await?,
                RunWrite::Answer(answer) => journal::answer(&mut transaction, run, answer).await?,
                RunWrite::Event(row) => events::insert(&mut transaction, run, row).await?,
                RunWrite::Close(closing) => records::close(&mut transaction, run, closing).await?,
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Lets a transaction go on only while a run is this node's, and lets nobody take it over before
    /// the transaction ends.
    async fn own(&self, transaction: &mut Transaction<'static, Any>, run: &RunRef) -> Result<(), StoreError> {
        let sql = match self.database() {
            Database::Sqlite => "SELECT number FROM runs WHERE tenant = $1 AND id = $2 AND node = $3",
            Database::Postgres => "SELECT number FROM runs WHERE tenant = $1 AND id = $2 AND node = $3 FOR SHARE",
        };
        let own: Option<(i64,)> = sqlx::query_as(sql)
            .bind(run.tenant.as_str())
            .bind(run.id.as_str())
            .bind(self.node().as_str().to_owned())
            .fetch_optional(&mut **transaction)
            .await?;
        own.map(|_| ()).ok_or(StoreError::Fenced)
    }
}

/// A count as its column holds it.
fn column(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
