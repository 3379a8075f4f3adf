//! The ledger against a real store: life of a hold here; budgets, crashes, crowds and random sequences beside.

use std::path::Path;

use sophia_domain::Tokens;
use sophia_store::ledger::{ChargeKind, Outcome};
use tempfile::TempDir;

use super::*;
use crate::Used;

mod budgets;
mod crash;
mod crowd;
mod random;

const LONG: Duration = Duration::from_secs(30);

/// A ledger in its own directory, which can be closed and opened again.
struct Home {
    dir: TempDir,
    ledger: Ledger,
}

impl Home {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path()).await;
        Self { dir, ledger }
    }

    /// As a node that was shut down and starts again.
    async fn restart(self) -> Self {
        self.ledger.drain(LONG).await.unwrap();
        let Self { dir, ledger } = self;
        drop(ledger);
        let ledger = open(dir.path()).await;
        Self { dir, ledger }
    }

    /// As a node that died and starts again: what it had not written is gone, and its holds too.
    async fn crash(self, holds: Vec<Hold>) -> Self {
        let Self { dir, ledger } = self;
        let writer = ledger.0.writer.lock().unwrap().take().unwrap();
        writer.abort();
        let _ = writer.await;
        drop((ledger, holds));
        let ledger = open(dir.path()).await;
        Self { dir, ledger }
    }

    async fn limit(&self, scope: &BudgetScope, micros: u64) {
        self.ledger.set_budget(scope.clone(), Some(usd(micros))).await.unwrap();
    }

    async fn hold(&self, draft: Draft, micros: u64) -> Result<Hold, HoldError> {
        self.ledger.hold(draft, usd(micros)).await
    }

    /// A budget's spent, held and left.
    fn budget(&self, scope: &BudgetScope) -> (u64, u64, u64) {
        let budget = self.ledger.budget(scope).unwrap();
        (budget.spent.micros(), budget.held.micros(), budget.left.micros())
    }

    async fn charges(&self) -> Vec<ChargeRow> {
        self.ledger.charges(&ChargeFilter::default(), None, 1_000).await.unwrap()
    }

    /// The sum of all charges that are in a scope.
    async fn total(&self, scope: Option<&BudgetScope>) -> u64 {
        let mut filter = ChargeFilter { tenant: scope.map(|scope| scope.tenant().clone()), ..Default::default() };
        match scope {
            Some(BudgetScope::Key(_, key)) => filter.key = Some(key.clone()),
            Some(BudgetScope::Run(_, run)) => filter.run = Some(run.clone()),
            Some(BudgetScope::Tenant(_)) | None => {}
        }
        self.ledger.totals(&filter, &[]).await.unwrap()[0].cost.micros()
    }
}

async fn open(dir: &Path) -> Ledger {
    Ledger::open(Store::open(dir).await.unwrap()).await.unwrap()
}

fn usd(micros: u64) -> Usd {
    Usd::from_micros(micros).unwrap()
}

fn used(micros: u64) -> Used {
    let tokens = Tokens { input: 3, cached: 1, output: 2 };
    Used { tokens, cost: usd(micros), is_estimated: false }
}

fn tenant() -> BudgetScope {
    BudgetScope::Tenant(TenantId::main())
}

fn key(id: &str) -> BudgetScope {
    BudgetScope::Key(TenantId::main(), id.into())
}

fn run(id: &str) -> BudgetScope {
    BudgetScope::Run(TenantId::main(), id.into())
}

fn draft(key: &str, run: Option<&str>) -> Draft {
    Draft {
        tenant: TenantId::main(),
        key: key.into(),
        plugin: Some("code-review".parse().unwrap()),
        run: run.map(Into::into),
        model: "small".into(),
        class: "fast".into(),
        kind: ChargeKind::Completion,
        most_tokens: 990,
    }
}

#[tokio::test]
async fn replaces_what_is_held_by_what_was_used() {
    let home = Home::new().await;
    let scopes = [tenant(), key("k"), run("r")];
    for scope in &scopes {
        home.limit(scope, 1_000).await;
    }
    let hold = home.hold(draft("k", Some("r")), 300).await.unwrap();
    for scope in &scopes {
        assert_eq!(home.budget(scope), (0, 300, 700));
    }
    let bill = hold.settle(used(120));
    assert_eq!((bill.cost, bill.outcome), (usd(120), Outcome::Settled));
    home.hold(draft("other", None), 50).await.unwrap().settle(used(50));
    assert_eq!(home.budget(&run("r")), (120, 0, 880));
    assert_eq!(home.budget(&tenant()), (170, 0, 830));

    let [other, row] = &home.charges().await[..] else { panic!("two charges") };
    let charge = &row.charge;
    assert_eq!((row.id, other.id), (1, 2));
    assert_eq!((charge.cost, charge.held, charge.claimed), (usd(120), usd(300), None));
    assert_eq!((charge.tokens, charge.is_estimated, charge.outcome), (used(0).tokens, false, Outcome::Settled));
    assert_eq!((charge.model.as_str(), charge.run.as_ref().unwrap().as_str()), ("small", "r"));

    let home = home.restart().await;
    assert_eq!(home.budget(&run("r")), (120, 0, 880));
    assert_eq!(home.budget(&tenant()), (170, 0, 830));
    assert_eq!(home.ledger.budget(&tenant()).unwrap().unreconciled, Usd::ZERO);
    home.hold(draft("k", Some("r")), 830).await.unwrap().settle(used(830));
    assert_eq!(home.charges().await[0].id, 3);
}

#[tokio::test]
async fn a_hold_that_is_dropped_bills_what_was_delivered() {
    let home = Home::new().await;
    home.limit(&tenant(), 1_000).await;
    drop(home.hold(draft("k", None), 300).await.unwrap());
    let mut stream = home.hold(draft("k", None), 300).await.unwrap();
    stream.at_least(used(10));
    stream.at_least(used(25));
    // Where nothing may block and no runtime is at hand.
    std::thread::spawn(move || drop(stream)).join().unwrap();
    assert_eq!(home.budget(&tenant()), (25, 0, 975));
    let ended: Vec<_> = home.charges().await.into_iter().map(|row| row.charge).collect();
    assert!(ended.iter().all(|charge| charge.outcome == Outcome::Abandoned));
    let billed: Vec<_> = ended.iter().map(|charge| (charge.cost.micros(), charge.is_estimated)).collect();
    assert_eq!(billed, [(25, true), (0, false)]);
}

#[tokio::test]
async fn a_worker_that_reports_nonsense_cannot_overspend() {
    let home = Home::new().await;
    home.limit(&tenant(), 1_000).await;
    let bill = home.hold(draft("k", None), 300).await.unwrap().settle(used(5_000_000));
    assert_eq!((bill.cost, bill.claimed, bill.outcome), (usd(300), Some(usd(5_000_000)), Outcome::OverHold));
    assert_eq!(home.budget(&tenant()), (300, 0, 700));
    let charge = &home.charges().await[0].charge;
    assert_eq!((charge.cost, charge.claimed), (usd(300), Some(usd(5_000_000))));

    let tokens = Tokens { input: u64::MAX, cached: u64::MAX, output: u64::MAX };
    for _ in 0..3 {
        home.hold(draft("k", None), 0).await.unwrap().settle(Used { tokens, ..used(0) });
    }
    assert_eq!(home.total(None).await, 300, "counts that cannot be do not break the sums");
    assert!(matches!(home.ledger.hold(draft("k", None), Usd::MAX).await, Err(HoldError::TooLarge)));
}

#[tokio::test]
async fn a_drain_waits_for_calls_and_refuses_new_ones() {
    let home = Home::new().await;
    home.limit(&tenant(), 1_000).await;
    let hold = home.hold(draft("k", None), 300).await.unwrap();
    let drain = async { home.ledger.drain(LONG).await };
    let call = async {
        tokio::task::yield_now().await;
        assert!(matches!(home.hold(draft("k", None), 1).await, Err(HoldError::Closed)));
        hold.settle(used(120));
    };
    tokio::join!(drain, call).0.unwrap();
    assert!(matches!(home.ledger.set_budget(tenant(), None).await, Err(LedgerError::Closed)));
    let home = home.restart().await;
    assert_eq!((home.budget(&tenant()), home.total(None).await), ((120, 0, 880), 120));
    assert_eq!(home.ledger.budget(&tenant()).unwrap().unreconciled, Usd::ZERO);
}

#[tokio::test]
async fn a_caller_that_leaves_while_a_lease_is_extended_holds_nothing() {
    let home = Home::new().await;
    home.limit(&tenant(), 1_600).await;
    tokio::select! {
        biased;
        _ = home.hold(draft("k", None), 1_600) => panic!("only a slice is leased"),
        () = std::future::ready(()) => {}
    }
    let home = home.restart().await;
    assert_eq!(home.budget(&tenant()), (0, 0, 1_600));
    assert!(home.charges().await.is_empty());
}

#[tokio::test]
async fn a_call_that_outlives_the_drain_counts_as_spent() {
    let home = Home::new().await;
    home.limit(&tenant(), 1_000).await;
    let hold = home.hold(draft("k", None), 300).await.unwrap();
    let now = Instant::now();
    let drained = home.ledger.drain_by(now, now + LONG).await;
    assert!(matches!(drained, Err(LedgerError::Undrained { n_calls: 1 })), "{drained:?}");
    hold.settle(used(100));
    let Home { dir, ledger } = home;
    drop(ledger);
    let home = Home { ledger: open(dir.path()).await, dir };
    assert_eq!(home.budget(&tenant()), (0, 0, 700));
    assert_eq!(home.ledger.release(tenant()).await.unwrap(), usd(300), "the hold, and nothing of the lease beyond it");
}
