//! What is counted before it is used: money for model calls, and how often a credential may be used.
//!
//! **Money.** A [`Ledger`] holds the most that a call may cost in every budget that it belongs to
//! (its tenant's, its key's, its run's) before it is made, and replaces the [`Hold`] by the true
//! cost when it ends. So a budget cannot be overspent, however many calls are made at once: each
//! amount is in one place of its `Book` at any instant. Holds are taken in memory from a lease
//! that was taken out of the budget durably, and one task, the `Writer`, makes charges and leases
//! durable in common transactions. What a node that died had leased counts as spent until an
//! operator releases it. Nothing here knows a price's origin or a model.
//!
//! **Rates.** [`RateWindows`] hands out one [`RateWindow`] for each credential of a connection;
//! egress takes a place in it before each request. The windows live in this process: a restart
//! forgets them. They neither wait nor open a connection; whoever takes a place waits for its time.
//!
//! **Quotas.** [`Quotas`] say what a tenant and a key may use in a time: requests, calls at once,
//! tokens, money. A call takes from all that count it or from none.

mod account;
mod bill;
mod book;
mod hold;
mod ledger;
mod quotas;
mod tally;
mod window;
mod windows;
mod writer;

pub use bill::{Bill, Used};
pub use hold::{Draft, Hold, HoldError, MAX_HOLD};
pub use ledger::{Budget, Ledger, LedgerError};
pub use quotas::{
    InProcess, Leased, Pass, QuotaDefaults, QuotaTotals, QuotaUse, Quotas, Refused, ScopeQuotas, SetQuotasError,
    SharedLost, SharedWindows, SliceAsk, Slices, Standing, TERM,
};
pub use sophia_store::ledger::{
    BudgetScope, ChargeFilter, ChargeKind, ChargeRow, Dimension, NewCharge, Outcome, Total,
};
pub use window::{RateExceeded, RateWindow};
pub use windows::{RateKey, RateWindows};
