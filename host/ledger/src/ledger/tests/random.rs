use std::collections::HashMap;

use fastrand::Rng;

use super::*;

/// Each flushes the disk some hundred times, so that a busy machine needs seconds for it.
const N_SEQUENCES: u64 = 12;
const N_STEPS: usize = 100;

/// What the ledger is compared with: it knows what really happened, crashes or not.
struct Model {
    home: Home,
    open: Vec<(Hold, Vec<BudgetScope>)>,
    budgets: HashMap<BudgetScope, Expected>,
}

#[derive(Debug, Default)]
struct Expected {
    limit: u64,
    /// Billed for calls that ended, whether or not their charges were written before a crash.
    really_spent: u64,
    /// What the ledger says is spent: all of it but for crashes.
    spent: u64,
    unreconciled: u64,
    /// What the operator released: it may have been spent, and nobody counts it any more.
    released: u64,
}

impl Model {
    async fn new(random: &mut Rng) -> Self {
        let home = Home::new().await;
        let mut budgets = HashMap::new();
        for scope in [tenant(), key("a"), key("b"), run("r")] {
            let limit = random.u64(0..5_000);
            home.limit(&scope, limit).await;
            budgets.insert(scope, Expected { limit, ..Expected::default() });
        }
        Self { home, open: Vec::new(), budgets }
    }

    async fn step(mut self, random: &mut Rng) -> Self {
        match random.u8(0..40) {
            0 => return self.crash().await,
            1 => return self.restart().await,
            2 => self.release(random).await,
            3 => self.raise(random).await,
            4 => drop(self.home.charges().await),
            5..20 => self.end(random),
            _ => self.hold(random).await,
        }
        self
    }

    async fn hold(&mut self, random: &mut Rng) {
        let (key_id, run_id) = (["a", "b"][random.usize(..2)], [None, Some("r"), Some("s")][random.usize(..3)]);
        let mut scopes = vec![tenant(), key(key_id)];
        scopes.extend(run_id.map(run).filter(|scope| self.budgets.contains_key(scope)));
        let upper = random.u64(0..400);
        let fits = scopes.iter().all(|scope| self.home.budget(scope).2 >= upper);
        match self.home.hold(draft(key_id, run_id), upper).await {
            Ok(hold) => {
                assert!(fits);
                self.open.push((hold, scopes));
            }
            Err(HoldError::Exceeded { scope, left, .. }) => {
                assert!(!fits && scopes.contains(&scope) && left < usd(upper));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn end(&mut self, random: &mut Rng) {
        if self.open.is_empty() {
            return;
        }
        let (mut hold, scopes) = self.open.swap_remove(random.usize(..self.open.len()));
        let upper = hold.upper().micros();
        let billed = match random.u8(0..4) {
            0 => 0,
            1 => {
                let delivered = random.u64(0..=upper);
                hold.at_least(used(delivered));
                delivered
            }
            _ => hold.settle(used(random.u64(0..=upper + upper / 8))).cost.micros(),
        };
        for scope in scopes {
            let expected = self.budgets.get_mut(&scope).unwrap();
            expected.really_spent += billed;
            expected.spent += billed;
        }
    }

    async fn release(&mut self, random: &mut Rng) {
        let scope = [tenant(), key("a"), key("b"), run("r")][random.usize(..4)].clone();
        let released = self.home.ledger.release(scope.clone()).await.unwrap();
        let expected = self.budgets.get_mut(&scope).unwrap();
        assert_eq!(released.micros(), expected.unreconciled);
        expected.released += std::mem::take(&mut expected.unreconciled);
    }

    async fn raise(&mut self, random: &mut Rng) {
        for (scope, expected) in &mut self.budgets {
            expected.limit += random.u64(0..500);
            self.home.limit(scope, expected.limit).await;
        }
    }

    async fn restart(mut self) -> Self {
        while !self.open.is_empty() {
            self.end(&mut Rng::with_seed(0));
        }
        self.home = self.home.restart().await;
        self
    }

    async fn crash(mut self) -> Self {
        let holds = std::mem::take(&mut self.open).into_iter().map(|(hold, _)| hold).collect();
        self.home = self.home.crash(holds).await;
        for (scope, expected) in &mut self.budgets {
            expected.spent = self.home.total(Some(scope)).await;
            expected.unreconciled = self.home.ledger.budget(scope).unwrap().unreconciled.micros();
        }
        self
    }

    fn check(&self) {
        for (scope, expected) in &self.budgets {
            let budget = self.home.ledger.budget(scope).unwrap();
            let held: u64 = self
                .open
                .iter()
                .filter(|(_, scopes)| scopes.contains(scope))
                .map(|(hold, _)| hold.upper().micros())
                .sum();
            assert_eq!(budget.held.micros(), held, "{scope}");
            assert_eq!(budget.spent.micros(), expected.spent, "{scope}");
            assert_eq!(budget.unreconciled.micros(), expected.unreconciled, "{scope}");
            let counted = expected.spent + held + expected.unreconciled;
            assert_eq!(budget.left.micros(), expected.limit - counted, "{scope}");
            let known = expected.spent + expected.unreconciled + expected.released;
            assert!(expected.really_spent <= known, "{scope}: {expected:?}");
        }
    }
}

#[tokio::test]
async fn whatever_happens_nothing_is_overspent_or_forgotten() {
    for seed in 0..N_SEQUENCES {
        let mut random = Rng::with_seed(seed);
        let mut model = Model::new(&mut random).await;
        for _ in 0..N_STEPS {
            model = model.step(&mut random).await;
            model.check();
        }
        for (scope, expected) in &model.budgets {
            assert_eq!(model.home.total(Some(scope)).await, expected.spent, "sequence {seed}, {scope}");
        }
    }
}
