//! Kills a process with SIGKILL while it spends, again and again on the same data directory, and
//! looks at what the next one finds. Run with a directory it is the process that is killed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that brings its own main")]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use sophia_domain::{TenantId, Tokens, Usd};
use sophia_ledger::{BudgetScope, ChargeFilter, ChargeKind, Draft, HoldError, Ledger, Used};
use sophia_store::Store;

const LIMIT: u64 = 2_000_000;
const UPPER: u64 = 1_000;
const SPEND_IN: &str = "SOPHIA_TEST_SPEND_IN";
/// How many calls each process may report before it is killed: soon after its start, while leases
/// are extended, and after many batches.
const KILL_AFTER: [usize; 6] = [1, 17, 150, 400, 1_000, 100_000];

#[tokio::main]
async fn main() {
    // What a runner asks for before it runs a test: its name, once, and no ignored ones.
    if env::args().any(|arg| arg == "--list") {
        if !env::args().any(|arg| arg == "--ignored") {
            println!("nothing_is_overspent_or_forgotten_by_a_kill: test");
        }
        return;
    }
    match env::var_os(SPEND_IN) {
        Some(dir) => spend(Path::new(&dir)).await,
        None => nothing_is_overspent_or_forgotten_by_a_kill().await,
    }
}

async fn nothing_is_overspent_or_forgotten_by_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    ledger.set_budget(scope(), Usd::from_micros(LIMIT)).await.unwrap();
    ledger.drain(Duration::from_secs(10)).await.unwrap();
    drop(ledger);

    let mut really_spent = 0;
    for kill_after in KILL_AFTER {
        really_spent += killed_after(dir.path(), kill_after);
        let ledger = open(dir.path()).await;
        let budget = ledger.budget(&scope()).unwrap();
        let totals = ledger.totals(&ChargeFilter::default(), &[]).await.unwrap();
        assert_eq!(totals[0].cost, budget.spent);
        let counted = budget.spent.micros() + budget.unreconciled.micros();
        assert!(really_spent <= counted && counted <= LIMIT, "{really_spent} {budget:?}");
        ledger.drain(Duration::from_secs(10)).await.unwrap();
    }
    assert!(really_spent > LIMIT / 4, "{really_spent}: most of the budget went into calls, not into kills");
    println!("test nothing_is_overspent_or_forgotten_by_a_kill ... ok");
}

/// Starts a process that spends, kills it after it reported so many calls or that its budget is
/// used up, and gives the sum of all that it reported.
fn killed_after(dir: &Path, n_calls: usize) -> u64 {
    let mut child =
        Command::new(env::current_exe().unwrap()).env(SPEND_IN, dir).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_cost = |line: &String| line != "exceeded";
    let mut sum = 0;
    for line in lines.by_ref().take(n_calls).map(Result::unwrap).take_while(is_cost) {
        sum += line.parse::<u64>().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let rest = lines.map(Result::unwrap).filter(is_cost);
    sum + rest.filter_map(|line| line.parse::<u64>().ok()).sum::<u64>()
}

/// Spends from several tasks, reporting each call after it settled, until it is killed.
async fn spend(dir: &Path) {
    let ledger = open(dir).await;
    let tasks: Vec<_> = (0..4).map(|seed| tokio::spawn(calls(ledger.clone(), seed))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("exceeded");
    std::future::pending().await
}

async fn calls(ledger: Ledger, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let hold = match ledger.hold(draft(), Usd::from_micros(UPPER).unwrap()).await {
            Ok(hold) => hold,
            Err(HoldError::Exceeded { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        let cost = Usd::from_micros(random.u64(0..=UPPER)).unwrap();
        hold.settle(Used { tokens: Tokens::default(), cost, is_estimated: false });
        println!("{}", cost.micros());
    }
}

async fn open(dir: &Path) -> Ledger {
    Ledger::open(Store::open(dir).await.unwrap()).await.unwrap()
}

fn scope() -> BudgetScope {
    BudgetScope::Tenant(TenantId::main())
}

fn draft() -> Draft {
    Draft {
        tenant: TenantId::main(),
        key: "operator".into(),
        plugin: None,
        run: None,
        model: "small".into(),
        class: "fast".into(),
        kind: ChargeKind::Completion,
        most_tokens: 990,
    }
}
