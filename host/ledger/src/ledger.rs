use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sophia_domain::{TenantId, Usd};
use sophia_store::{
    Store, StoreError,
    ledger::{BudgetScope, ChargeFilter, ChargeRow, Dimension, Total},
};
use tokio::{
    sync::{
        Notify,
        mpsc::{self, UnboundedSender},
        oneshot,
    },
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    Draft, Hold, HoldError, MAX_HOLD, QuotaDefaults, Quotas,
    account::{Account, Accounts, Payers, Taken},
    tally::Tally,
    writer::{Extension, Message, Reply, Writer},
};

/// The money of one node: budgets, holds and charges. Opened once at boot; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Shared>);

/// What ledgers and holds share.
pub(crate) struct Shared {
    store: Store,
    quotas: Quotas,
    accounts: Arc<Accounts>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) queue: UnboundedSender<Message>,
    hurry: Arc<Notify>,
    /// Until it is drained.
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A budget as it stands at one instant: `spent + held + unreconciled + left = limit`, but where
/// the limit was lowered, or set when more was spent; then nothing is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Whose it is.
    pub scope: BudgetScope,
    /// The most that may ever be spent.
    pub limit: Usd,
    /// The cost of all calls of the scope that ended, before the budget was set too.
    pub spent: Usd,
    /// What is held for calls under way.
    pub held: Usd,
    /// What was leased when a node died. It counts as spent until [`Ledger::release`].
    pub unreconciled: Usd,
    /// What can still be held.
    pub left: Usd,
}

/// How the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed. Nothing was changed.
    #[error("the ledger cannot be read or written")]
    Store(#[source] Arc<StoreError>),
    /// The disk does not take the charges of calls that ended.
    #[error("the charges of ended calls cannot be written fast enough")]
    Behind,
    /// There is no such budget.
    #[error("{0} has no budget")]
    NoBudget(BudgetScope),
    /// The ledger is drained.
    #[error("the ledger is closed")]
    Closed,
    /// The time was over. What is not written counts as spent at the next start.
    #[error("the ledger was not drained in time: {n_calls} calls are not written")]
    Undrained {
        /// Calls that did not end, or whose charges are not written.
        n_calls: u64,
    },
}

/// Of the time for draining, what is kept for giving leases back; a quarter where there is less.
const GIVE_BACK_TIME: Duration = Duration::from_secs(1);

impl Ledger {
    /// Opens the ledger, with the quotas that are set and none by default.
    pub async fn open(store: Store) -> Result<Self, LedgerError> {
        let quotas = Quotas::open(store.clone(), QuotaDefaults::default()).await.map_err(failed)?;
        Self::open_with(store, quotas).await
    }

    /// Opens the ledger and begins to write. What an earlier process had leased and not given
    /// back becomes unreconciled: its charges that were written count exactly, the rest as spent.
    pub async fn open_with(store: Store, quotas: Quotas) -> Result<Self, LedgerError> {
        let rows = store.reconcile_budgets().await.map_err(failed)?;
        for row in rows.iter().filter(|row| row.unreconciled > Usd::ZERO) {
            tracing::warn!(budget = %row.scope, unreconciled = %row.unreconciled, "a budget holds money that a node may have spent when it died");
        }
        let next_id = store.last_charge().await.map_err(failed)? + 1;
        let (accounts, tally, hurry) = (Arc::new(Accounts::new(rows)), Arc::new(Tally::new()), Arc::default());
        let (queue, messages) = mpsc::unbounded_channel();
        let writer = Writer {
            store: store.clone(),
            accounts: Arc::clone(&accounts),
            tally: Arc::clone(&tally),
            queue: messages,
            hurry: Arc::clone(&hurry),
            next_id,
        };
        let writer = Mutex::new(Some(tokio::spawn(writer.run())));
        Ok(Self(Arc::new(Shared { store, quotas, accounts, tally, queue, hurry, writer })))
    }

    /// What tenants and keys may use in a time.
    pub fn quotas(&self) -> &Quotas {
        &self.0.quotas
    }

    /// Holds what a call may cost and take in every budget and every quota that it belongs to, or
    /// in none.
    ///
    /// Waits for no disk while the leases suffice. Otherwise for one transaction, which all that
    /// wait share; and where the disk is 65,536 charges behind, until it caught up or 5 s are over.
    /// Dropping the future holds nothing.
    pub async fn hold(&self, draft: Draft, upper: Usd) -> Result<Hold, HoldError> {
        if upper > MAX_HOLD {
            return Err(HoldError::TooLarge);
        }
        let place = self.0.tally.begin().await?;
        let (tokens, quotas) = (draft.most_tokens, &self.0.quotas);
        let pass = quotas.hold(&draft.tenant, &draft.key, tokens, upper).await.map_err(HoldError::Refused)?;
        loop {
            let payers = self.0.accounts.payers(&draft.tenant, &draft.key, draft.run.as_ref());
            match payers.hold(upper) {
                Taken::Held { is_low } => {
                    place.keep();
                    if is_low && payers.begin_extension() {
                        self.extend_ahead(payers.clone());
                    }
                    return Ok(Hold::new(Arc::clone(&self.0), (draft, upper), payers, pass));
                }
                Taken::Exceeded { scope, left } => return Err(HoldError::Exceeded { scope, left, upper }),
                Taken::Unleased => self.extend(payers, upper).await?,
            }
        }
    }

    /// Sets a budget's limit, or takes the budget back with none: then the scope is unbounded.
    /// A budget counts what its scope spent before; calls under way join when they end. A limit
    /// below what is spent and held refuses all further calls. Acknowledged when it is durable.
    pub async fn set_budget(&self, scope: BudgetScope, limit: Option<Usd>) -> Result<(), LedgerError> {
        self.ask(|reply| Message::Limit(scope, limit, reply)).await
    }

    /// A budget, if one is set.
    pub fn budget(&self, scope: &BudgetScope) -> Option<Budget> {
        self.0.accounts.get(scope).map(|account| Budget::of(&account))
    }

    /// The budgets that are set, of one tenant or of all, by scope.
    pub fn budgets(&self, tenant: Option<&TenantId>) -> Vec<Budget> {
        let accounts = self.0.accounts.all();
        let mut budgets: Vec<_> = accounts.iter().map(|account| Budget::of(account)).collect();
        budgets.retain(|budget| tenant.is_none_or(|tenant| budget.scope.tenant() == tenant));
        budgets.sort_by(|a, b| a.scope.cmp(&b.scope));
        budgets
    }

    /// Lets what is unreconciled in a budget be spent again, and says how much that was. For an
    /// operator who knows what the node had really spent, or does not mind.
    pub async fn release(&self, scope: BudgetScope) -> Result<Usd, LedgerError> {
        if self.0.accounts.get(&scope).is_none() {
            return Err(LedgerError::NoBudget(scope));
        }
        self.ask(|reply| Message::Release(scope, reply)).await
    }

    /// The sums of charges by some dimensions, the dearest first. All calls that ended before
    /// it was asked are in them.
    pub async fn totals(&self, filter: &ChargeFilter, by: &[Dimension]) -> Result<Vec<Total>, LedgerError> {
        self.flush().await?;
        self.0.store.totals(filter, by).await.map_err(failed)
    }

    /// Charges, newest first: at most `limit` (and 1,000) of those older than the id `before`, if
    /// given. All calls that ended before it was asked are among them.
    pub async fn charges(
        &self,
        filter: &ChargeFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ChargeRow>, LedgerError> {
        self.flush().await?;
        self.0.store.charges(filter, before, limit).await.map_err(failed)
    }

    /// Lets no further call begin, waits for those under way to end, writes them and gives the
    /// leases back, all within a time. What is not done then is unreconciled at the next start.
    /// Called once, at shutdown; dropping the future leaves the ledger closed and still writing.
    pub async fn drain(&self, within: Duration) -> Result<(), LedgerError> {
        let deadline = Instant::now() + within;
        self.drain_by(deadline - GIVE_BACK_TIME.min(within / 4), deadline).await
    }

    async fn drain_by(&self, for_calls: Instant, deadline: Instant) -> Result<(), LedgerError> {
        self.0.tally.close();
        let Some(mut writer) = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return self.drained();
        };
        let _ = timeout_at(for_calls, self.0.tally.all_written()).await;
        let _ = self.0.queue.send(Message::Close);
        self.0.hurry.notify_one();
        if timeout_at(deadline, &mut writer).await.is_err() {
            writer.abort();
            let _ = writer.await;
            return Err(LedgerError::Undrained { n_calls: self.0.tally.n_unwritten() });
        }
        self.drained()
    }

    fn drained(&self) -> Result<(), LedgerError> {
        match self.0.tally.n_unwritten() {
            0 => Ok(()),
            n_calls => Err(LedgerError::Undrained { n_calls }),
        }
    }

    /// Waits until the leases suffice to hold `wanted`, or cannot be extended so far.
    async fn extend(&self, payers: Payers, wanted: Usd) -> Result<(), HoldError> {
        let (reply, answer) = oneshot::channel();
        let extension = Extension { payers, wanted, reply: Some(reply) };
        self.send(Message::Extend(extension));
        answer.await.map_err(|_| HoldError::Closed)?.map_err(HoldError::Lease)
    }

    /// Extends leases before somebody must wait for it.
    fn extend_ahead(&self, payers: Payers) {
        self.send(Message::Extend(Extension { payers, wanted: Usd::ZERO, reply: None }));
    }

    async fn flush(&self) -> Result<(), LedgerError> {
        self.0.hurry.notify_one();
        if self.0.tally.flushed().await { Ok(()) } else { Err(LedgerError::Behind) }
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply));
        answer.await.map_err(|_| LedgerError::Closed)?.map_err(LedgerError::Store)
    }

    /// To the writer, at once. One that has ended drops the message, and with it the reply.
    fn send(&self, message: Message) {
        let _ = self.0.queue.send(message);
        self.0.hurry.notify_one();
    }
}

impl Budget {
    fn of(account: &Account) -> Self {
        let book = *account.book();
        Self {
            scope: account.scope.clone(),
            limit: book.limit,
            spent: book.spent,
            held: book.held,
            unreconciled: book.unreconciled,
            left: book.left(),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tally", &self.tally).finish_non_exhaustive()
    }
}

fn failed(error: StoreError) -> LedgerError {
    LedgerError::Store(Arc::new(error))
}

#[cfg(test)]
mod tests;
