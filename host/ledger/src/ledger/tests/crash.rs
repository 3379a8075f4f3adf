use sqlx::{Connection, SqliteConnection};

use super::*;

#[tokio::test]
async fn what_was_leased_and_not_written_counts_as_spent() {
    let home = Home::new().await;
    home.limit(&tenant(), 1_600).await;
    home.hold(draft("k", None), 40).await.unwrap().settle(used(40));
    home.charges().await;
    // Of the first slice of 100, 40 are spent and written. One call settles, one is under way.
    let settled = home.hold(draft("k", None), 20).await.unwrap();
    let under_way = home.hold(draft("k", None), 30).await.unwrap();
    settled.settle(used(15));
    assert_eq!(home.budget(&tenant()), (55, 30, 1_515));

    let home = home.crash(vec![under_way]).await;
    let budget = home.ledger.budget(&tenant()).unwrap();
    assert_eq!(home.total(None).await, 40, "what was not written is not known");
    assert_eq!((budget.spent, budget.held), (usd(40), Usd::ZERO));
    let unreconciled = budget.unreconciled.micros();
    assert!((45..=160).contains(&unreconciled), "15 + 30, and what is free of at most two slices: {unreconciled}");
    assert_eq!(budget.left.micros(), 1_600 - 40 - unreconciled);

    assert_eq!(home.ledger.release(tenant()).await.unwrap(), usd(unreconciled));
    assert_eq!(home.budget(&tenant()), (40, 0, 1_560));
    let home = home.restart().await;
    assert_eq!(home.budget(&tenant()), (40, 0, 1_560));
}

#[tokio::test]
async fn a_budget_cannot_be_overspent_by_dying() {
    let mut home = Home::new().await;
    home.limit(&run("r"), 1_000).await;
    let mut really_spent = 0;
    let mut n_refused = 0;
    for _ in 0..12 {
        for _ in 0..4 {
            match home.hold(draft("k", Some("r")), 60).await {
                Ok(hold) => really_spent += hold.settle(used(60)).cost.micros(),
                Err(HoldError::Exceeded { .. }) => n_refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        home = home.crash(Vec::new()).await;
        let budget = home.ledger.budget(&run("r")).unwrap();
        let counted = budget.spent.micros() + budget.unreconciled.micros();
        assert!(really_spent <= counted && counted <= 1_000, "{really_spent} {budget:?}");
    }
    assert!(n_refused > 0 && really_spent > 0);
}

/// Makes every write of a charge fail, or lets it work again.
async fn break_disk(dir: &Path, rename: &'static str) {
    let mut connection = SqliteConnection::connect(dir.join("sophia.db").to_str().unwrap()).await.unwrap();
    sqlx::query(rename).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn charges_wait_for_a_disk_that_fails() {
    let home = Home::new().await;
    home.limit(&tenant(), 16_000).await;
    break_disk(home.dir.path(), "ALTER TABLE charges RENAME TO gone").await;
    // Within the lease calls go on; beyond it they are refused, because nothing can be leased.
    home.hold(draft("k", None), 500).await.unwrap().settle(used(400));
    let beyond = home.hold(draft("k", None), 5_000).await;
    assert!(matches!(beyond, Err(HoldError::Lease(_))), "{beyond:?}");
    assert_eq!(home.budget(&tenant()), (400, 0, 15_600));

    break_disk(home.dir.path(), "ALTER TABLE gone RENAME TO charges").await;
    assert_eq!(home.total(None).await, 400, "written once it works again");
    home.hold(draft("k", None), 5_000).await.unwrap().settle(used(5_000));
    let home = home.restart().await;
    assert_eq!((home.budget(&tenant()), home.total(None).await), ((5_400, 0, 10_600), 5_400));
}
