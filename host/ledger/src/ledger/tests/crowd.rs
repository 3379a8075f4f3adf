use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use tokio::runtime::Handle;

use super::*;

const N_THREADS: usize = 8;
const N_CALLS: usize = 1_500;

/// What one thread of callers saw.
#[derive(Debug, Default)]
struct Seen {
    n_held: u64,
    n_refused: u64,
    billed: u64,
}

/// Calls of every kind and end, one after another.
fn call(home: &Home, runtime: &Handle, seed: usize) -> Seen {
    let mut random = fastrand::Rng::with_seed(seed as u64);
    let mut seen = Seen::default();
    for _ in 0..N_CALLS {
        let upper = random.u64(0..100);
        let draft = draft(["a", "b"][random.usize(..2)], [None, Some("r"), Some("s")][random.usize(..3)]);
        let mut hold = match runtime.block_on(home.hold(draft, upper)) {
            Ok(hold) => hold,
            Err(HoldError::Exceeded { .. }) => {
                seen.n_refused += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        seen.n_held += 1;
        match random.u8(0..8) {
            0 => drop(hold),
            1 => {
                let delivered = random.u64(0..=upper);
                hold.at_least(used(delivered));
                drop(hold);
                seen.billed += delivered;
            }
            _ => seen.billed += hold.settle(used(random.u64(0..=upper + 5))).cost.micros(),
        }
    }
    seen
}

/// At every instant: nothing is overspent, and what is spent never shrinks.
fn watch(home: &Home, is_done: &AtomicBool) -> u64 {
    let mut spent = std::collections::HashMap::new();
    let mut n_samples = 0;
    while !is_done.load(Ordering::Relaxed) {
        for budget in home.ledger.budgets(None) {
            let all = budget.spent.micros() + budget.held.micros() + budget.left.micros();
            assert_eq!(all, budget.limit.micros(), "{budget:?}");
            let before = spent.insert(budget.scope.clone(), budget.spent);
            assert!(before <= Some(budget.spent), "{budget:?}");
            n_samples += 1;
        }
    }
    n_samples
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_overspends_nothing_and_every_call_is_charged() {
    let home = Home::new().await;
    let limits = [(tenant(), 250_000), (key("a"), 100_000), (run("r"), 60_000)];
    for (scope, limit) in &limits {
        home.limit(scope, *limit).await;
    }
    let (runtime, is_done) = (Handle::current(), AtomicBool::new(false));
    let (seen, n_samples) = tokio::task::block_in_place(|| {
        thread::scope(|threads| {
            let watcher = threads.spawn(|| watch(&home, &is_done));
            let (home, runtime) = (&home, &runtime);
            let callers: Vec<_> = (0..N_THREADS).map(|seed| threads.spawn(move || call(home, runtime, seed))).collect();
            let seen: Vec<Seen> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
            is_done.store(true, Ordering::Relaxed);
            (seen, watcher.join().unwrap())
        })
    });
    let sum = |of: fn(&Seen) -> u64| seen.iter().map(of).sum::<u64>();
    assert!(n_samples > 0 && sum(|seen| seen.n_refused) > 0, "{n_samples} {seen:?}");

    let home = home.restart().await;
    let [all] = &home.ledger.totals(&ChargeFilter::default(), &[]).await.unwrap()[..] else { panic!("one sum") };
    assert_eq!(all.n_charges, sum(|seen| seen.n_held));
    assert_eq!(all.cost.micros(), sum(|seen| seen.billed));
    for (scope, limit) in limits {
        let spent = home.total(Some(&scope)).await;
        assert_eq!(home.budget(&scope), (spent, 0, limit - spent), "{scope}");
        assert_eq!(home.ledger.budget(&scope).unwrap().unreconciled, Usd::ZERO);
    }
    assert_eq!(home.budget(&run("r")).2 / 100, 0, "the run's budget was used up");
}
