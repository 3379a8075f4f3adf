use super::*;

fn exceeded(held: Result<Hold, HoldError>) -> (BudgetScope, u64) {
    match held {
        Err(HoldError::Exceeded { scope, left, .. }) => (scope, left.micros()),
        other => panic!("not exceeded: {other:?}"),
    }
}

#[tokio::test]
async fn holds_to_the_last_micro_dollar_and_not_one_more() {
    let home = Home::new().await;
    home.limit(&run("r"), 1_000).await;
    let mut holds = Vec::new();
    for _ in 0..10 {
        holds.push(home.hold(draft("k", Some("r")), 100).await.unwrap());
    }
    assert_eq!(exceeded(home.hold(draft("k", Some("r")), 1).await), (run("r"), 0));
    let free = home.hold(draft("k", Some("r")), 0).await.unwrap();
    free.settle(used(0));
    for hold in holds.drain(..) {
        hold.settle(used(99));
    }
    assert_eq!(exceeded(home.hold(draft("k", Some("r")), 11).await), (run("r"), 10));
    home.hold(draft("k", Some("r")), 10).await.unwrap().settle(used(10));
    assert_eq!(home.budget(&run("r")), (1_000, 0, 0));
    assert_eq!(home.total(Some(&run("r"))).await, 1_000);
}

#[tokio::test]
async fn what_one_budget_refuses_no_other_holds() {
    let home = Home::new().await;
    home.limit(&tenant(), 1_000).await;
    home.limit(&run("r"), 100).await;
    assert_eq!(exceeded(home.hold(draft("k", Some("r")), 101).await), (run("r"), 100));
    assert_eq!(home.budget(&tenant()), (0, 0, 1_000));
    assert!(home.charges().await.is_empty(), "what was refused never began");
    home.hold(draft("k", None), 101).await.unwrap().settle(used(101));
}

#[tokio::test]
async fn a_budget_counts_what_was_spent_before_it_was_set() {
    let home = Home::new().await;
    home.hold(draft("k", None), 70).await.unwrap().settle(used(70));
    let under_way = home.hold(draft("k", None), 50).await.unwrap();
    home.limit(&key("k"), 200).await;
    assert_eq!(home.budget(&key("k")), (70, 0, 130));
    under_way.settle(used(50));
    home.charges().await;
    assert_eq!(home.budget(&key("k")), (120, 0, 80));
    let home = home.restart().await;
    assert_eq!(home.budget(&key("k")), (120, 0, 80));
}

#[tokio::test]
async fn limits_change_under_calls() {
    let home = Home::new().await;
    home.limit(&key("k"), 1_000).await;
    let hold = home.hold(draft("k", None), 400).await.unwrap();
    home.limit(&key("k"), 450).await;
    assert_eq!(exceeded(home.hold(draft("k", None), 51).await), (key("k"), 50));
    home.limit(&key("k"), 100).await;
    assert_eq!(home.budget(&key("k")), (0, 400, 0));
    home.limit(&key("k"), 2_000).await;
    assert_eq!(home.budget(&key("k")), (0, 400, 1_600));

    home.ledger.set_budget(key("k"), None).await.unwrap();
    assert_eq!(home.ledger.budget(&key("k")), None);
    home.hold(draft("k", None), 1_000_000).await.unwrap().settle(used(1_000_000));
    home.limit(&key("k"), 1_000_500).await;
    assert_eq!(home.budget(&key("k")), (1_000_000, 0, 500));
    hold.settle(used(300));
    home.charges().await;
    assert_eq!(home.budget(&key("k")), (1_000_300, 0, 200), "the call of the budget before joins");
    let home = home.restart().await;
    assert_eq!(home.budget(&key("k")), (1_000_300, 0, 200));
}

#[tokio::test]
async fn budgets_of_tenants_are_apart() {
    let home = Home::new().await;
    let other: TenantId = "other".parse().unwrap();
    home.limit(&key("k"), 100).await;
    home.limit(&tenant(), 500).await;
    home.limit(&BudgetScope::Key(other.clone(), "k".into()), 10).await;
    let theirs = Draft { tenant: other.clone(), ..draft("k", None) };
    assert_eq!(exceeded(home.hold(theirs, 11).await).1, 10);
    home.hold(draft("k", None), 11).await.unwrap().settle(used(11));
    let ours: Vec<_> = home.ledger.budgets(Some(&TenantId::main())).into_iter().map(|budget| budget.scope).collect();
    assert_eq!(ours, [tenant(), key("k")]);
    assert_eq!(home.ledger.budgets(None).len(), 3);
    let absent = home.ledger.release(run("none")).await;
    assert!(matches!(absent, Err(LedgerError::NoBudget(_))), "{absent:?}");
}
