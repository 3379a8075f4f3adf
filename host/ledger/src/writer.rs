use std::{collections::HashMap, sync::Arc, time::Duration};

use sophia_domain::Usd;
use sophia_store::{
    Store, StoreError,
    ledger::{BudgetRow, BudgetScope, ChargeRow, NewCharge},
};
use tokio::{
    sync::{Notify, mpsc::UnboundedReceiver, oneshot},
    time::sleep,
};

use crate::{
    account::{Account, Accounts, Payers, scopes},
    book::{Book, sum},
    tally::Tally,
};

/// The one that writes for a ledger: a task from its opening until it is closed.
///
/// Calls' ends and extensions of leases that come while it writes go into the next transaction
/// together. Being alone, it knows that between reading a book and changing it nobody else
/// changes what is durable of it.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) store: Store,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) queue: UnboundedReceiver<Message>,
    /// Told when somebody waits for what is in the queue.
    pub(crate) hurry: Arc<Notify>,
    pub(crate) next_id: u64,
}

/// What the writer is asked for, in the order of asking.
#[derive(Debug)]
pub(crate) enum Message {
    Ended(Ended),
    Extend(Extension),
    /// Sets the limit of a budget, or takes the budget back.
    Limit(BudgetScope, Option<Usd>, Reply<()>),
    /// Lets what is unreconciled be spent again, and says how much that was.
    Release(BudgetScope, Reply<Usd>),
    /// Gives the leases back and ends the writer.
    Close,
}

/// A call that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) charge: Box<NewCharge>,
    pub(crate) payers: Payers,
}

/// Leases that are to be extended.
#[derive(Debug)]
pub(crate) struct Extension {
    pub(crate) payers: Payers,
    /// So much is to be held.
    pub(crate) wanted: Usd,
    /// None where nobody waits for it.
    pub(crate) reply: Option<Reply<()>>,
}

/// Where the answer goes. One that nobody waits for any more is dropped.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Arc<StoreError>>>;

/// What the next transaction holds. What it fails to write stays for the one after.
#[derive(Debug, Default)]
struct Batch {
    charges: Vec<ChargeRow>,
    /// Of each charge.
    payers: Vec<Payers>,
    extensions: Vec<Extension>,
}

/// What a batch changes of one budget.
#[derive(Debug)]
struct Change {
    account: Arc<Account>,
    /// Cost of charges that were held from this account.
    held_here: Usd,
    /// Cost of charges that were held before the account was there.
    before: Usd,
    /// What calls wait to hold; none where no extension was asked for.
    wanted: Option<Usd>,
    /// What the lease grows by.
    extension: Usd,
}

/// Messages taken at once: a transaction of so many takes some 50 ms.
const MAX_BATCH: usize = 4_096;

/// How long ended calls wait for others to be written with them. Nobody waits for a charge, and
/// an edge node's disk likes fewer flushes; a kill makes what is not written unreconciled.
const LINGER: Duration = Duration::from_millis(20);

/// How long it pauses after the disk failed, so as not to spin.
const PAUSE: Duration = Duration::from_millis(500);

impl Writer {
    /// Until it is closed, or every ledger and hold is gone and all is written.
    pub(crate) async fn run(mut self) {
        let (mut batch, mut changes) = (Batch::default(), Vec::new());
        let mut is_closing = false;
        while !is_closing {
            is_closing = self.receive(&mut batch, &mut changes).await;
            self.write(&mut batch).await;
            for change in changes.drain(..) {
                self.change(change).await;
            }
        }
        self.tally.close();
        self.give_back().await;
        if !batch.charges.is_empty() {
            tracing::error!(
                calls = batch.charges.len(),
                "the charges of some calls could not be written: their budgets are unreconciled"
            );
        }
    }

    /// Takes what is in the queue, waiting for the first of it unless a batch is to be tried again.
    /// Whether the writer is to end.
    async fn receive(&mut self, batch: &mut Batch, changes: &mut Vec<Message>) -> bool {
        let mut messages = Vec::new();
        if batch.charges.is_empty() {
            if self.queue.recv_many(&mut messages, MAX_BATCH).await == 0 {
                return true;
            }
            if messages.iter().all(|message| matches!(message, Message::Ended(_))) {
                tokio::select! {
                    () = sleep(LINGER) => {}
                    () = self.hurry.notified() => {}
                }
            }
        }
        while messages.len() < MAX_BATCH
            && let Ok(message) = self.queue.try_recv()
        {
            messages.push(message);
        }
        let is_closing = messages.iter().any(|message| matches!(message, Message::Close));
        if is_closing {
            // What comes later is refused, and what came until now is written: nothing is between.
            self.queue.close();
            while let Some(message) = self.queue.recv().await {
                messages.push(message);
            }
        }
        for message in messages {
            match message {
                Message::Ended(Ended { charge, payers }) => {
                    batch.charges.push(ChargeRow { id: self.next_id, charge: *charge });
                    batch.payers.push(payers);
                    self.next_id += 1;
                }
                Message::Extend(extension) => batch.extensions.push(extension),
                Message::Limit(..) | Message::Release(..) => changes.push(message),
                Message::Close => {}
            }
        }
        is_closing
    }

    /// Writes a batch in one transaction, then tells everybody. Where that fails, whoever waits
    /// for a lease is refused, and the charges stay in the batch.
    async fn write(&self, batch: &mut Batch) {
        if batch.charges.is_empty() && batch.extensions.is_empty() {
            return;
        }
        let changes = self.plan(batch);
        let rows: Vec<BudgetRow> = changes.iter().map(|change| change.account.row(|book| change.make(book))).collect();
        let written = self.store.record(&batch.charges, &rows).await.map_err(Arc::new);
        for change in &changes {
            if written.is_ok() {
                change.make(&mut change.account.book());
            }
            if change.wanted.is_some() {
                change.account.extension_answered();
            }
        }
        for reply in batch.extensions.drain(..).filter_map(|extension| extension.reply) {
            let _ = reply.send(written.clone());
        }
        match written {
            Ok(()) => {
                self.tally.write(batch.charges.len());
                batch.charges.clear();
                batch.payers.clear();
            }
            Err(error) => {
                tracing::error!(
                    error = error.as_ref() as &dyn std::error::Error,
                    calls = batch.charges.len(),
                    "the ledger cannot be written"
                );
                sleep(PAUSE).await;
            }
        }
    }

    /// What a batch changes of each budget that is set.
    fn plan(&self, batch: &Batch) -> Vec<Change> {
        let mut changes = HashMap::new();
        for (row, payers) in batch.charges.iter().zip(&batch.payers) {
            let charge = &row.charge;
            for scope in scopes(&charge.tenant, &charge.key, charge.run.as_ref()).into_iter().flatten() {
                if let Some(change) = self.change_of(&mut changes, scope) {
                    let is_payer = payers.iter().any(|payer| Arc::ptr_eq(payer, &change.account));
                    let cost = if is_payer { &mut change.held_here } else { &mut change.before };
                    *cost = sum([*cost, charge.cost]);
                }
            }
        }
        for extension in &batch.extensions {
            for account in extension.payers.iter() {
                if let Some(change) = self.change_of(&mut changes, account.scope.clone()) {
                    change.wanted = Some(sum([change.wanted.unwrap_or_default(), extension.wanted]));
                }
            }
        }
        let mut changes: Vec<Change> = changes.into_values().collect();
        for change in &mut changes {
            let Some(wanted) = change.wanted else { continue };
            let mut book = *change.account.book();
            change.make(&mut book);
            change.extension = book.extension(wanted);
        }
        changes
    }

    /// The change of a budget, if it is set.
    fn change_of<'a>(
        &self,
        changes: &'a mut HashMap<BudgetScope, Change>,
        scope: BudgetScope,
    ) -> Option<&'a mut Change> {
        let account = self.accounts.get(&scope)?;
        Some(changes.entry(scope).or_insert_with(|| Change {
            account,
            held_here: Usd::ZERO,
            before: Usd::ZERO,
            wanted: None,
            extension: Usd::ZERO,
        }))
    }

    async fn change(&self, message: Message) {
        match message {
            Message::Limit(scope, limit, reply) => {
                let _ = reply.send(self.set_limit(scope, limit).await.map_err(Arc::new));
            }
            Message::Release(scope, reply) => {
                let _ = reply.send(self.release(&scope).await.map_err(Arc::new));
            }
            Message::Ended(_) | Message::Extend(_) | Message::Close => {}
        }
    }

    async fn set_limit(&self, scope: BudgetScope, limit: Option<Usd>) -> Result<(), StoreError> {
        match (self.accounts.get(&scope), limit) {
            (Some(account), Some(limit)) => {
                self.store.record(&[], &[account.row(|book| book.limit = limit)]).await?;
                account.book().limit = limit;
            }
            (None, Some(limit)) => self.open_account(scope, limit).await?,
            (Some(_), None) => {
                self.store.delete_budget(&scope).await?;
                self.accounts.remove(&scope);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Opens an account that knows what its scope spent before, with a first slice leased, so
    /// that its first call does not wait.
    async fn open_account(&self, scope: BudgetScope, limit: Usd) -> Result<(), StoreError> {
        let spent = self.store.spent(&scope).await?;
        let account = Account::new(BudgetRow { scope, limit, spent, leased: Usd::ZERO, unreconciled: Usd::ZERO });
        let slice = account.book().extension(Usd::ZERO);
        account.book().extend(slice);
        self.store.record(&[], &[account.row(|_| {})]).await?;
        self.accounts.insert(account);
        Ok(())
    }

    async fn release(&self, scope: &BudgetScope) -> Result<Usd, StoreError> {
        let account = self.accounts.get(scope).ok_or(StoreError::Missing("budget"))?;
        self.store.record(&[], &[account.row(|book| book.unreconciled = Usd::ZERO)]).await?;
        Ok(std::mem::take(&mut account.book().unreconciled))
    }

    /// Gives back what is leased and free. What is held or not written stays leased, and is
    /// unreconciled at the next start.
    async fn give_back(&self) {
        let accounts: Vec<_> =
            self.accounts.all().into_iter().filter(|account| account.book().free > Usd::ZERO).collect();
        // Taken first: a call that settles now must not make more of it than is written.
        let free: Vec<_> = accounts.iter().map(|account| std::mem::take(&mut account.book().free)).collect();
        let rows: Vec<_> = accounts.iter().map(|account| account.row(|_| {})).collect();
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.store.record(&[], &rows).await {
            let free = free.into_iter().fold(Usd::ZERO, |all, free| sum([all, free]));
            tracing::error!(error = &error as &dyn std::error::Error, %free, "leases could not be given back: they are unreconciled");
        }
    }
}

impl Change {
    /// Made twice: on a copy, which is written, and then on the book.
    fn make(&self, book: &mut Book) {
        book.write(self.held_here, self.before);
        book.extend(self.extension);
    }
}
