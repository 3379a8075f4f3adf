use sophia_domain::{Prices, Tokens, Usd};
use sophia_ledger::{Draft, Hold, Ledger, Used};

use crate::{
    ModelError,
    usage::{self, Bounds, Report},
};

/// What one attempt at an upstream has used so far, and the money held for it.
///
/// Dropping it at any time bills what it says then: nothing before the prompt was sent; then the
/// prompt and every token that was delivered; and what was reported, once something was.
#[derive(Debug)]
pub(crate) struct Tab {
    /// Until it is ended.
    hold: Option<Hold>,
    prices: Prices,
    bounds: Bounds,
    upper: Usd,
    delivered: u64,
    report: Option<Report>,
}

impl Tab {
    /// Holds what the call may cost. Nothing is sent before.
    pub(crate) async fn open(
        ledger: &Ledger,
        draft: Draft,
        prices: Prices,
        bounds: Bounds,
    ) -> Result<Self, ModelError> {
        let upper = prices.upper_bound(bounds.input, bounds.output).map_err(|_| ModelError::too_dear())?;
        let hold = Some(ledger.hold(draft, upper).await?);
        Ok(Self { hold, prices, bounds, upper, delivered: 0, report: None })
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The prompt is sent: from here on it is billed.
    pub(crate) fn begin(&mut self) {
        self.note();
    }

    /// Tokens go to whoever asked. False where that would be more than was asked for, and held:
    /// then they must not go.
    pub(crate) fn deliver(&mut self, tokens: u64) -> bool {
        let delivered = self.delivered.saturating_add(tokens);
        if delivered > self.bounds.output {
            return false;
        }
        self.delivered = delivered;
        self.note();
        true
    }

    /// The upstream says what it used; the last word counts.
    pub(crate) fn report(&mut self, report: Report) {
        self.report = Some(report);
    }

    /// What is billed as it stands.
    pub(crate) fn used(&self) -> Used {
        let (tokens, is_estimated) = usage::tokens(self.bounds, self.delivered, self.report);
        // Within its bounds, so it costs no more than them.
        let cost = self.prices.cost(tokens).unwrap_or(self.upper);
        Used { tokens, cost, is_estimated }
    }

    /// Ends the call with what was used.
    pub(crate) fn settle(self) -> Used {
        self.used()
    }

    /// Nothing came of it: nothing is billed.
    pub(crate) fn release(mut self) {
        if let Some(mut hold) = self.hold.take() {
            hold.at_least(Used { tokens: Tokens::default(), cost: Usd::ZERO, is_estimated: false });
        }
    }

    fn note(&mut self) {
        let used = self.used();
        if let Some(hold) = &mut self.hold {
            hold.at_least(used);
        }
    }
}

impl Drop for Tab {
    /// A report settles the hold. Without one the hold bills what it was told last, as a call that
    /// was cut.
    fn drop(&mut self) {
        let used = self.used();
        if let Some(hold) = self.hold.take().filter(|_| self.report.is_some()) {
            hold.settle(used);
        }
    }
}
