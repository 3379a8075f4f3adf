//! The ledger keeps its budgets and charges here.
//!
//! Who may spend is the ledger's decision. Here a transaction holds charges and the budgets that
//! they change, so that a budget's `spent` is the sum of its charges after a kill at any moment.

mod budgets;
mod charges;
mod totals;

use sophia_domain::Usd;

pub use budgets::{BudgetRow, BudgetScope};
pub use charges::{ChargeFilter, ChargeKind, ChargeRow, NewCharge, Outcome};
pub use totals::{Dimension, Total};

use crate::StoreError;

/// An amount as its column holds it. Every amount fits.
pub(crate) fn to_column(usd: Usd) -> i64 {
    i64::try_from(usd.micros()).unwrap_or(i64::MAX)
}

pub(crate) fn to_usd(column: i64) -> Result<Usd, StoreError> {
    u64::try_from(column).ok().and_then(Usd::from_micros).ok_or(StoreError::Unreadable("amount"))
}

pub(crate) fn to_count(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::Unreadable("count"))
}
