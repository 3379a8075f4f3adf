//! Quotas over a real store, by the process's own clock. What time does to a window is in the
//! tables of [`super::log`], [`super::meter`] and [`super::slices`], by a clock that the test holds.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use sophia_domain::{QuotaKind, Tokens};
use sophia_store::ledger::ChargeKind;

use super::*;
use crate::{Draft, HoldError, Ledger, Used};

struct Home {
    quotas: Quotas,
    store: Store,
    _dir: tempfile::TempDir,
}

impl Home {
    async fn with(defaults: QuotaDefaults) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        Self { quotas: Quotas::open(store.clone(), defaults).await.unwrap(), store, _dir: dir }
    }

    async fn new() -> Self {
        Self::with(QuotaDefaults::default()).await
    }

    async fn set(&self, scope: BudgetScope, texts: &[&str]) {
        self.quotas.set(scope, quotas(texts)).await.unwrap();
    }

    async fn enter(&self, key: &str) -> Result<Option<Pass>, Refused> {
        self.quotas.enter(&TenantId::main(), &key.into(), RouteClass::Plugins).await
    }

    fn left(&self, scope: &BudgetScope) -> Vec<u64> {
        self.quotas.of(scope).unwrap().quotas.iter().map(|one| one.left).collect()
    }
}

fn quotas(texts: &[&str]) -> Vec<Quota> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn tenant() -> BudgetScope {
    BudgetScope::Tenant(TenantId::main())
}

fn key(name: &str) -> BudgetScope {
    BudgetScope::Key(TenantId::main(), name.into())
}

#[track_caller]
fn reached(result: Result<Option<Pass>, Refused>) -> QuotaReached {
    match result {
        Err(Refused::Reached(reached)) => *reached,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_a_quota_nothing_is_taken() {
    let home = Home::new().await;
    assert!(home.enter("ci").await.unwrap().is_none());
    home.set(key("other"), &["requests=1/m"]).await;
    assert!(home.enter("ci").await.unwrap().is_none());
    assert_eq!(home.quotas.of(&key("ci")), None);
}

#[tokio::test]
async fn a_call_takes_from_all_its_quotas_or_from_none() {
    let home = Home::new().await;
    home.set(tenant(), &["requests=5/m", "plugins.concurrent=4"]).await;
    home.set(key("ci"), &["requests=9/m", "requests=2/h", "models.requests=1/m"]).await;
    for _ in 0..2 {
        drop(home.enter("ci").await.unwrap().unwrap());
    }
    let refused = reached(home.enter("ci").await);
    assert_eq!((refused.scope.as_str(), refused.limit.to_string().as_str()), ("key", "requests=2/1h"));
    assert!((3_595..=3_600).contains(&refused.retry_after.unwrap()), "{refused:?}");
    assert_eq!(home.left(&tenant()), [3, 4], "a refused call took nothing of the tenant's");
    assert_eq!(home.left(&key("ci")), [7, 0, 1]);
    // Another key goes on until the tenant's are used; then the longest wait is told.
    for _ in 0..3 {
        drop(home.enter("web").await.unwrap().unwrap());
    }
    assert_eq!(reached(home.enter("web").await).scope, "tenant");
    assert_eq!(reached(home.enter("ci").await).limit.to_string(), "requests=2/1h");
    let totals: Vec<(u64, u64)> = home.quotas.totals().map(|one| (one.used, one.refused)).to_vec();
    assert_eq!(totals, [(2 * 3 + 3, 3), (5, 0), (0, 0), (0, 0)], "each request once a quota that counts it");
}

#[tokio::test]
async fn places_come_back_when_a_call_is_dropped_and_requests_only_when_they_are_taken_back() {
    let home = Home::new().await;
    home.set(key("ci"), &["concurrent=2", "requests=4/m"]).await;
    let passes = [home.enter("ci").await.unwrap().unwrap(), home.enter("ci").await.unwrap().unwrap()];
    let refused = reached(home.enter("ci").await);
    assert_eq!((refused.limit.kind, refused.retry_after), (QuotaKind::Concurrent, Some(1)));
    assert_eq!(passes[0].tightest().unwrap().left, 0);
    let [first, second] = passes;
    drop(first);
    assert_eq!(home.left(&key("ci")), [1, 2]);
    second.take_back();
    second.take_back();
    assert_eq!(home.left(&key("ci")), [2, 3]);
    drop(second);
    assert_eq!(home.left(&key("ci")), [2, 3]);
}

#[tokio::test]
async fn the_tightest_quota_is_the_one_of_which_the_smallest_part_is_left() {
    let home = Home::new().await;
    home.set(tenant(), &["requests=1000/m", "tokens=10/h"]).await;
    home.set(key("ci"), &["requests=3/m", "concurrent=2", "models.requests=1/h"]).await;
    let pass = home.enter("ci").await.unwrap().unwrap();
    let shown = pass.tightest().unwrap();
    assert_eq!((shown.scope, shown.quota.to_string().as_str(), shown.left), ("key", "concurrent=2", 1));
    drop(pass);
    let pass = home.enter("ci").await.unwrap().unwrap();
    let shown = pass.tightest().unwrap();
    assert_eq!((shown.quota.to_string().as_str(), shown.left), ("requests=3/1m", 1));
    assert!((59..=60).contains(&shown.reset), "{shown:?}");
}

#[tokio::test]
async fn a_change_holds_at_once_keeps_what_was_used_and_is_durable() {
    let home = Home::with(QuotaDefaults { key: quotas(&["requests=100/m"]), tenant: Vec::new() }).await;
    let held = home.enter("ci").await.unwrap().unwrap();
    assert_eq!(home.left(&key("ci")), [99]);
    home.set(key("ci"), &["requests=2/m", "concurrent=1"]).await;
    assert_eq!(home.left(&key("ci")), [1, 1], "the call under way has no place of a limit that was not there");
    drop(held);
    drop(home.enter("ci").await.unwrap().unwrap());
    reached(home.enter("ci").await);
    home.set(key("ci"), &["requests=3/m"]).await;
    drop(home.enter("ci").await.unwrap().unwrap());
    reached(home.enter("ci").await);
    home.set(key("ci"), &[]).await;
    assert_eq!(home.left(&key("ci")), [97], "the default again, with what was used");

    home.set(key("ci"), &["requests=7/m"]).await;
    let again = Quotas::open(home.store.clone(), QuotaDefaults::default()).await.unwrap();
    assert_eq!(again.of(&key("ci")).unwrap().quotas[0].quota, "requests=7/m".parse().unwrap());
    // One that another node set.
    again.set(key("ci"), quotas(&["requests=8/m"])).await.unwrap();
    home.quotas.reload().await.unwrap();
    assert_eq!(home.left(&key("ci")), [8 - 3]);
}

#[tokio::test]
async fn what_cannot_be_set_changes_nothing() {
    let home = Home::new().await;
    home.set(key("ci"), &["requests=7/m"]).await;
    let many: Vec<Quota> = (1..=17).map(|s| format!("requests=1/{s}s").parse().unwrap()).collect();
    assert!(matches!(home.quotas.set(key("ci"), many).await, Err(SetQuotasError::TooMany)));
    let twice = quotas(&["requests=7/m", "models.requests=7/m", "requests=8/60s"]);
    assert!(matches!(home.quotas.set(key("ci"), twice).await, Err(SetQuotasError::Twice(_))));
    assert_eq!(home.left(&key("ci")), [7]);
}

fn draft(most_tokens: u64) -> Draft {
    Draft {
        tenant: TenantId::main(),
        key: "ci".into(),
        plugin: None,
        run: None,
        model: "smol".into(),
        class: "fast".into(),
        kind: ChargeKind::Completion,
        most_tokens,
    }
}

fn used(input: u64, output: u64, micros: u64) -> Used {
    let cost = Usd::from_micros(micros).unwrap();
    Used { tokens: Tokens { input, cached: 0, output }, cost, is_estimated: false }
}

#[tokio::test]
async fn tokens_and_money_are_held_before_and_settled_after_a_model_call() {
    let home = Home::new().await;
    home.set(key("ci"), &["tokens=100/h", "cost=$0.001/d"]).await;
    let ledger = Ledger::open_with(home.store.clone(), home.quotas.clone()).await.unwrap();
    let upper = Usd::from_micros(600).unwrap();
    let first = ledger.hold(draft(60), upper).await.unwrap();
    assert_eq!(home.left(&key("ci")), [40, 400]);
    // Enough tokens, too little money; and the other way round. Neither took the other.
    for (tokens, wants) in [(10, upper), (41, Usd::ZERO)] {
        assert!(matches!(ledger.hold(draft(tokens), wants).await, Err(HoldError::Refused(Refused::Reached(_)))));
    }
    assert_eq!(home.left(&key("ci")), [40, 400]);
    first.settle(used(7, 3, 50));
    assert_eq!(home.left(&key("ci")), [90, 950]);
    // Cancelled before anything was sent; and one that is billed for what it was told at least.
    drop(ledger.hold(draft(90), upper).await.unwrap());
    let mut cut = ledger.hold(draft(90), upper).await.unwrap();
    cut.at_least(used(5, 0, 5));
    drop(cut);
    assert_eq!(home.left(&key("ci")), [85, 945]);
    let never = ledger.hold(draft(101), Usd::ZERO).await.unwrap_err();
    let HoldError::Refused(Refused::Reached(never)) = never else { panic!("{never}") };
    assert_eq!((never.asked, never.left, never.retry_after), (101, 85, None));

    // A budget that refuses gives the quotas back too.
    ledger.set_budget(key("ci"), Some(Usd::from_micros(100).unwrap())).await.unwrap();
    assert!(matches!(ledger.hold(draft(1), upper).await, Err(HoldError::Exceeded { .. })));
    assert_eq!(home.left(&key("ci")), [85, 945]);
    ledger.drain(Duration::from_secs(5)).await.unwrap();

    // A restart forgets none of it, and a limit that is set later knows of it.
    let again = Home { quotas: Quotas::open(home.store.clone(), QuotaDefaults::default()).await.unwrap(), ..home };
    assert_eq!(again.left(&key("ci")), [85, 945]);
    again.set(tenant(), &["tokens=1k/d"]).await;
    assert_eq!(again.left(&tenant()), [985]);
}

#[tokio::test]
async fn of_many_at_once_exactly_as_many_as_fit_are_let_through() {
    let home = Arc::new(Home::new().await);
    home.set(tenant(), &["requests=500/h"]).await;
    home.set(key("k0"), &["requests=100/h"]).await;
    let asking = (0..800).map(|i| {
        let home = home.clone();
        tokio::spawn(async move { home.enter(&format!("k{}", i % 4)).await.is_ok() })
    });
    let mut n_let_through = 0;
    for task in asking.collect::<Vec<_>>() {
        n_let_through += u32::from(task.await.unwrap());
    }
    assert_eq!((n_let_through, home.left(&tenant())), (500, vec![0]));
    assert!(home.quotas.of(&key("k0")).unwrap().quotas[0].used <= 100);
}

/// What nodes share, until it is cut off.
#[derive(Debug, Default)]
struct Line {
    windows: InProcess,
    is_cut: AtomicBool,
}

#[async_trait]
impl SharedWindows for Line {
    async fn lease(&self, window: &str, ask: &SliceAsk) -> Result<Leased, SharedLost> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(SharedLost);
        }
        self.windows.lease(window, ask).await
    }
}

async fn nodes(home: &Home, line: &Arc<Line>) -> Vec<Quotas> {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        let quotas = Quotas::open_shared(home.store.clone(), QuotaDefaults::default(), line.clone(), name).await;
        nodes.push(quotas.unwrap());
    }
    nodes
}

#[tokio::test]
async fn nodes_that_share_windows_let_no_more_through_together() {
    let (home, line) = (Home::new().await, Arc::new(Line::default()));
    home.set(key("ci"), &["requests=90/h", "concurrent=5"]).await;
    let nodes = nodes(&home, &line).await;
    let (mut n_let_through, main, ci) = (0, TenantId::main(), KeyId::from("ci"));
    for i in 0..300 {
        let node = &nodes[i % 3];
        n_let_through += u32::from(node.enter(&main, &ci, RouteClass::Control).await.is_ok());
        // What is leased and idle is given back, as a ticker would.
        node.renew().await;
    }
    assert_eq!(n_let_through, 90);

    home.set(key("ci"), &["concurrent=5"]).await;
    let mut passes = Vec::new();
    for node in nodes.iter().cycle().take(30) {
        node.reload().await.unwrap();
        passes.extend(node.enter(&main, &ci, RouteClass::Control).await.ok().flatten());
    }
    assert_eq!(passes.len(), 5);
    passes.truncate(2);
    for node in &nodes {
        node.renew().await;
    }
    assert!(nodes[2].enter(&main, &ci, RouteClass::Control).await.is_ok());
}

#[tokio::test]
async fn what_is_shared_and_lost_lets_requests_through_and_stops_money() {
    let (home, line) = (Home::new().await, Arc::new(Line::default()));
    home.set(key("ci"), &["requests=2/h", "tokens=100/h"]).await;
    home.set(key("strict"), &["requests=2/h,closed"]).await;
    let nodes = nodes(&home, &line).await;
    line.is_cut.store(true, Ordering::SeqCst);
    let main = TenantId::main();
    for node in &nodes {
        let enter = |key: &str| {
            let key = KeyId::from(key);
            async move { node.enter(&TenantId::main(), &key, RouteClass::Control).await }
        };
        assert!(enter("ci").await.unwrap().is_some() && enter("ci").await.unwrap().is_some());
        assert_eq!(reached(enter("ci").await).limit.kind, QuotaKind::Requests, "once by each node");
        assert!(matches!(enter("strict").await, Err(Refused::Lost(_))));
        assert!(matches!(node.hold(&main, &"ci".into(), 1, Usd::ZERO).await, Err(Refused::Lost(_))));
        assert_eq!(node.n_lost(), 2);
    }
}
