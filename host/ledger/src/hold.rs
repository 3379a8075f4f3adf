use std::sync::Arc;

use jiff::Timestamp;
use sophia_domain::{KeyId, PluginName, RunId, TenantId, Usd};
use sophia_store::{
    StoreError,
    ledger::{BudgetScope, ChargeKind, NewCharge, Outcome},
};

use crate::{
    Bill, Pass, Refused, Used,
    account::Payers,
    bill::{End, bill},
    ledger::Shared,
    writer::{Ended, Message},
};

/// A model call that is about to be made. One per call.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Whose money it is.
    pub tenant: TenantId,
    /// Under which key it is spent.
    pub key: KeyId,
    /// The plugin that asks; none where a caller does.
    pub plugin: Option<PluginName>,
    /// The run that it is part of.
    pub run: Option<RunId>,
    /// The model that is to answer.
    pub model: String,
    /// The model class that was asked for.
    pub class: String,
    /// The kind of call.
    pub kind: ChargeKind,
    /// The most tokens that it may take, of prompt and answer together.
    pub most_tokens: u64,
}

/// Money held for one model call, until the call ends.
///
/// Ends by [`Hold::settle`], or by being dropped: then it bills what [`Hold::at_least`] was told,
/// or nothing. Either way one charge is written, soon and in the background; ending a hold never
/// waits and needs no runtime.
#[derive(Debug)]
#[must_use = "a hold that is dropped bills nothing"]
pub struct Hold(Option<Open>);

#[derive(Debug)]
struct Open {
    shared: Arc<Shared>,
    draft: Draft,
    upper: Usd,
    payers: Payers,
    /// What it holds of quotas, where some count it.
    pass: Option<Pass>,
    at_least: Option<Used>,
}

/// Why nothing was held. No budget was touched.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// A budget has not enough left.
    #[error("the budget of {scope} has {left} left and the call may cost {upper}")]
    Exceeded {
        /// Whose budget.
        scope: BudgetScope,
        /// What of it can still be held.
        left: Usd,
        /// What the call may cost.
        upper: Usd,
    },
    /// A quota has no room for it.
    #[error("{0}")]
    Refused(Refused),
    /// The bound is above what any call may cost.
    #[error("a call may cost at most {}", MAX_HOLD)]
    TooLarge,
    /// The disk does not take the charges of earlier calls.
    #[error("the charges of earlier calls cannot be written fast enough")]
    Behind,
    /// The budget's lease cannot be made durable.
    #[error("the budget cannot be leased")]
    Lease(#[source] Arc<StoreError>),
    /// The ledger is drained, or is being.
    #[error("the ledger is closed")]
    Closed,
}

/// The most that can be held for a call. No call costs as much, and a billion that did could
/// still be added up.
pub const MAX_HOLD: Usd = Usd::dollars(9_000);

impl Hold {
    pub(crate) fn new(shared: Arc<Shared>, (draft, upper): (Draft, Usd), payers: Payers, pass: Option<Pass>) -> Self {
        Self(Some(Open { shared, draft, upper, payers, pass, at_least: None }))
    }

    /// What is held.
    pub fn upper(&self) -> Usd {
        self.0.as_ref().map_or(Usd::ZERO, |open| open.upper)
    }

    /// Says what is billed, marked as estimated, if the hold is dropped from here on: what a
    /// stream has delivered so far. Replaces what was said before.
    pub fn at_least(&mut self, used: Used) {
        if let Some(open) = &mut self.0 {
            open.at_least = Some(used);
        }
    }

    /// Ends the hold with what was used, and gives what is billed: no more than was held.
    pub fn settle(mut self, used: Used) -> Bill {
        self.end(|_| End::Settled(used))
    }

    fn end(&mut self, how: impl FnOnce(&Open) -> End) -> Bill {
        let Some(open) = self.0.take() else { return bill(Usd::ZERO, End::Abandoned(None)) };
        let bill = bill(open.upper, how(&open));
        open.end(bill);
        bill
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(|open| End::Abandoned(open.at_least));
    }
}

impl Open {
    fn end(self, bill: Bill) {
        let Self { shared, draft, upper, payers, pass, .. } = self;
        if bill.outcome == Outcome::OverHold {
            let claimed = bill.claimed.unwrap_or(bill.cost);
            tracing::warn!(tenant = %draft.tenant, model = draft.model, held = %upper, %claimed,
                "a worker reported more than can be; what was held is billed at most");
        }
        // Before the writer learns of it: it moves what is spent to what is written.
        payers.settle(upper, bill.cost);
        if let Some(pass) = pass {
            pass.settle(bill.tokens, bill.cost);
        }
        shared.tally.end();
        let charge = Box::new(charge(draft, upper, bill));
        if let Err(lost) = shared.queue.send(Message::Ended(Ended { charge, payers })) {
            let Message::Ended(Ended { charge, .. }) = lost.0 else { return };
            tracing::error!(tenant = %charge.tenant, model = charge.model, cost = %charge.cost,
                "a call ended after the ledger was closed: its charge is not written and its budgets are unreconciled");
        }
    }
}

fn charge(draft: Draft, held: Usd, bill: Bill) -> NewCharge {
    NewCharge {
        at: Timestamp::now(),
        tenant: draft.tenant,
        key: draft.key,
        plugin: draft.plugin,
        run: draft.run,
        model: draft.model,
        class: draft.class,
        kind: draft.kind,
        tokens: bill.tokens,
        cost: bill.cost,
        held,
        claimed: bill.claimed,
        is_estimated: bill.is_estimated,
        outcome: bill.outcome,
    }
}
