use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use sophia_domain::{KeyId, RunId, TenantId, Usd};
use sophia_store::ledger::{BudgetRow, BudgetScope};

use crate::book::{Book, Fit};

/// A budget that is set, as it lives in this process: until it is taken back or the process ends.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) scope: BudgetScope,
    book: Mutex<Book>,
    /// Whether an extension was asked for ahead of need, so that it is asked for once.
    is_extending: AtomicBool,
}

/// All accounts of this node. Read by each call without a lock; a change copies the map, which is
/// rare and waits for the disk anyway.
#[derive(Debug)]
pub(crate) struct Accounts(ArcSwap<HashMap<BudgetScope, Arc<Account>>>);

/// The accounts that one call is paid from: the tenant's, the key's and the run's, where they
/// have a budget. They are locked in this order and no call has two of a kind, so that no two
/// calls wait for each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payers(pub(crate) [Option<Arc<Account>>; 3]);

/// What came of trying to hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Every account holds it; whether one of them is low.
    Held { is_low: bool },
    /// No account holds it: a lease must be extended first.
    Unleased,
    /// No account holds it: this one has not enough left.
    Exceeded { scope: BudgetScope, left: Usd },
}

impl Account {
    pub(crate) fn new(row: BudgetRow) -> Self {
        let book = Book {
            limit: row.limit,
            spent: row.spent,
            written: row.spent,
            unreconciled: row.unreconciled,
            ..Book::default()
        };
        Self { scope: row.scope, book: Mutex::new(book), is_extending: AtomicBool::new(false) }
    }

    /// The book, locked. Held for a few additions, never across a wait.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row to write so that the budget is durably as `change` makes it. Calls may hold and
    /// settle while it is written: what they move stays within the lease.
    pub(crate) fn row(&self, change: impl FnOnce(&mut Book)) -> BudgetRow {
        let mut book = *self.book();
        change(&mut book);
        BudgetRow {
            scope: self.scope.clone(),
            limit: book.limit,
            spent: book.written,
            leased: book.lease(),
            unreconciled: book.unreconciled,
        }
    }

    /// Notes that an extension which was asked for has been answered.
    pub(crate) fn extension_answered(&self) {
        self.is_extending.store(false, Ordering::Relaxed);
    }
}

impl Accounts {
    pub(crate) fn new(rows: Vec<BudgetRow>) -> Self {
        let accounts = rows.into_iter().map(|row| (row.scope.clone(), Arc::new(Account::new(row))));
        Self(ArcSwap::from_pointee(accounts.collect()))
    }

    pub(crate) fn get(&self, scope: &BudgetScope) -> Option<Arc<Account>> {
        self.0.load().get(scope).cloned()
    }

    /// In no order.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.0.load().values().cloned().collect()
    }

    /// Those that pay for a call.
    pub(crate) fn payers(&self, tenant: &TenantId, key: &KeyId, run: Option<&RunId>) -> Payers {
        let accounts = self.0.load();
        if accounts.is_empty() {
            return Payers::default();
        }
        let [of_tenant, of_key, of_run] = scopes(tenant, key, run);
        let account = |scope: Option<BudgetScope>| accounts.get(&scope?).cloned();
        Payers([account(of_tenant), account(of_key), account(of_run)])
    }

    /// Adds one. Only the writer changes the map, so that no change is lost.
    pub(crate) fn insert(&self, account: Account) {
        let mut accounts = HashMap::clone(&self.0.load());
        accounts.insert(account.scope.clone(), Arc::new(account));
        self.0.store(Arc::new(accounts));
    }

    /// Removes one; the calls that it pays for keep theirs.
    pub(crate) fn remove(&self, scope: &BudgetScope) {
        let mut accounts = HashMap::clone(&self.0.load());
        accounts.remove(scope);
        self.0.store(Arc::new(accounts));
    }
}

/// The scopes that a call belongs to, in the order in which their accounts are locked.
pub(crate) fn scopes(tenant: &TenantId, key: &KeyId, run: Option<&RunId>) -> [Option<BudgetScope>; 3] {
    let of_run = run.map(|run| BudgetScope::Run(tenant.clone(), run.clone()));
    [Some(BudgetScope::Tenant(tenant.clone())), Some(BudgetScope::Key(tenant.clone(), key.clone())), of_run]
}

impl Payers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.0.iter().flatten()
    }

    /// Holds `upper` in every account, or in none.
    pub(crate) fn hold(&self, upper: Usd) -> Taken {
        let mut books = self.0.each_ref().map(|account| account.as_ref().map(|account| account.book()));
        let mut is_leased = true;
        for (account, book) in self.0.iter().zip(&books) {
            let (Some(account), Some(book)) = (account, book) else { continue };
            match book.fit(upper) {
                Fit::Leased => {}
                Fit::Unleased => is_leased = false,
                Fit::Exceeded(left) => return Taken::Exceeded { scope: account.scope.clone(), left },
            }
        }
        if !is_leased {
            return Taken::Unleased;
        }
        let mut is_low = false;
        for book in books.iter_mut().flatten() {
            book.hold(upper);
            is_low |= book.is_low();
        }
        Taken::Held { is_low }
    }

    /// Ends a hold in every account.
    pub(crate) fn settle(&self, upper: Usd, cost: Usd) {
        for account in self.iter() {
            account.book().settle(upper, cost);
        }
    }

    /// Marks the accounts as being extended; whether one was not yet.
    pub(crate) fn begin_extension(&self) -> bool {
        let mut is_first = false;
        for account in self.iter() {
            is_first |= !account.is_extending.swap(true, Ordering::Relaxed);
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(key: &str, limit: u64) -> Arc<Account> {
        let usd = |micros| Usd::from_micros(micros).unwrap();
        let scope = BudgetScope::Key(TenantId::main(), key.into());
        let row = BudgetRow { scope, limit: usd(limit), spent: Usd::ZERO, leased: Usd::ZERO, unreconciled: Usd::ZERO };
        let account = Account::new(row);
        account.book().extend(usd(limit));
        Arc::new(account)
    }

    #[test]
    fn what_one_account_refuses_no_other_holds() {
        let (wide, narrow) = (account("wide", 100), account("narrow", 10));
        let upper = Usd::from_micros(11).unwrap();
        for payers in
            [[Some(wide.clone()), Some(narrow.clone()), None], [Some(narrow.clone()), None, Some(wide.clone())]]
        {
            let left = Usd::from_micros(10).unwrap();
            assert_eq!(Payers(payers).hold(upper), Taken::Exceeded { scope: narrow.scope.clone(), left });
            assert_eq!((wide.book().held, narrow.book().held), (Usd::ZERO, Usd::ZERO));
        }
        assert_eq!(Payers([None, None, Some(wide.clone())]).hold(upper), Taken::Held { is_low: false });
        assert_eq!(wide.book().held, upper);
        assert_eq!(
            Payers::default().hold(Usd::MAX),
            Taken::Held { is_low: false },
            "without a budget nothing is refused"
        );
    }
}
