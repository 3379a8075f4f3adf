use rstest::rstest;

use super::*;
use crate::{
    columns::{Column, Place},
    ledger::{BudgetScope, Dimension},
};

async fn store(column: Column) -> (Place, Store) {
    let place = Place::of(column);
    let store = place.open().await;
    (place, store)
}

fn usd(micros: u64) -> Usd {
    Usd::from_micros(micros).unwrap()
}

fn charge(id: u64) -> ChargeRow {
    let charge = NewCharge {
        at: Timestamp::from_microsecond(1_000_000 + i64::try_from(id).unwrap()).unwrap(),
        tenant: TenantId::main(),
        key: if id.is_multiple_of(2) { "even" } else { "odd" }.into(),
        plugin: id.is_multiple_of(3).then(|| "review".parse().unwrap()),
        run: id.is_multiple_of(5).then(|| "run-5".into()),
        model: "small".into(),
        class: "fast".into(),
        kind: ChargeKind::Completion,
        tokens: Tokens { input: 10 * id, cached: id, output: 2 * id },
        cost: usd(id),
        held: usd(id + 7),
        claimed: id.is_multiple_of(7).then(|| usd(id + 100)),
        is_estimated: id.is_multiple_of(2),
        outcome: if id.is_multiple_of(7) { Outcome::OverHold } else { Outcome::Settled },
    };
    ChargeRow { id, charge }
}

fn budget(scope: BudgetScope, leased: u64) -> BudgetRow {
    BudgetRow { scope, limit: usd(1_000), spent: usd(45), leased: usd(leased), unreconciled: usd(5) }
}

#[rstest]
#[tokio::test]
async fn keeps_charges_and_budgets_once_however_often_they_are_written(
    #[values(Column::Sqlite, Column::Postgres)] column: Column,
) {
    let (place, store) = store(column).await;
    let rows: Vec<_> = (1..=9).map(charge).collect();
    let tenant = budget(BudgetScope::Tenant(TenantId::main()), 100);
    let run = budget(BudgetScope::Run(TenantId::main(), "run-5".into()), 0);
    for _ in 0..2 {
        store.record(&rows, &[tenant.clone(), run.clone()]).await.unwrap();
    }
    assert_eq!(store.last_charge().await.unwrap(), 9);
    drop(store);

    let store = place.open().await;
    let mut newest_first = rows.clone();
    newest_first.reverse();
    assert_eq!(store.charges(&ChargeFilter::default(), None, 1_000).await.unwrap(), newest_first);
    let reconciled = BudgetRow { leased: Usd::ZERO, unreconciled: usd(105), ..tenant };
    for _ in 0..2 {
        assert_eq!(store.reconcile_budgets().await.unwrap(), [run.clone(), reconciled.clone()]);
    }
    store.delete_budget(&run.scope).await.unwrap();
    assert_eq!(store.reconcile_budgets().await.unwrap(), [reconciled]);
}

#[rstest]
#[tokio::test]
async fn pages_and_filters(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let (_dir, store) = store(column).await;
    store.record(&(1..=600).map(charge).collect::<Vec<_>>(), &[]).await.unwrap();
    let ids = async |filter: &ChargeFilter, before, limit| {
        let rows = store.charges(filter, before, limit).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let all = ChargeFilter::default();
    assert_eq!(ids(&all, None, 2).await, [600, 599]);
    assert_eq!(ids(&all, Some(599), 2).await, [598, 597]);
    assert!(ids(&all, Some(1), 2).await.is_empty());
    let narrow = ChargeFilter {
        tenant: Some(TenantId::main()),
        key: Some("even".into()),
        plugin: Some("review".parse().unwrap()),
        run: Some("run-5".into()),
        model: Some("small".into()),
        class: None,
        from: Timestamp::from_microsecond(1_000_030).ok(),
        to: Timestamp::from_microsecond(1_000_090).ok(),
    };
    assert_eq!(ids(&narrow, None, 10).await, [60, 30]);
    let stranger = ChargeFilter { tenant: Some("other".parse().unwrap()), ..all };
    assert!(ids(&stranger, None, 10).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn totals_are_the_sums_of_their_rows(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    use Dimension::{Key, Model, Plugin, Run, Tenant};
    let (_dir, store) = store(column).await;
    let rows: Vec<_> = (1..=100).map(charge).collect();
    store.record(&rows, &[]).await.unwrap();
    let filter = ChargeFilter { from: Timestamp::from_microsecond(1_000_011).ok(), ..ChargeFilter::default() };
    let in_range = |row: &&ChargeRow| row.id > 10;
    for by in [&[][..], &[Tenant], &[Key], &[Plugin], &[Run], &[Model], &[Key, Run], &[Tenant, Key, Plugin, Run, Model]]
    {
        let totals = store.totals(&filter, by).await.unwrap();
        for total in &totals {
            let is_in = |row: &&ChargeRow| {
                let charge = &row.charge;
                (!by.contains(&Key) || total.key.as_ref() == Some(&charge.key))
                    && (!by.contains(&Plugin) || total.plugin == charge.plugin)
                    && (!by.contains(&Run) || total.run == charge.run)
            };
            let rows: Vec<_> = rows.iter().filter(in_range).filter(is_in).map(|row| &row.charge).collect();
            let sum = |of: fn(&NewCharge) -> u64| rows.iter().map(|charge| of(charge)).sum::<u64>();
            assert_eq!(total.n_charges, rows.len() as u64, "{by:?}");
            assert_eq!(total.cost.micros(), sum(|charge| charge.cost.micros()));
            assert_eq!(total.tokens.input, sum(|charge| charge.tokens.input));
            assert_eq!(total.tokens.cached, sum(|charge| charge.tokens.cached));
            assert_eq!(total.tokens.output, sum(|charge| charge.tokens.output));
            let estimated = sum(|charge| if charge.is_estimated { charge.cost.micros() } else { 0 });
            assert_eq!(total.estimated_cost.micros(), estimated);
        }
        assert_eq!(totals.iter().map(|total| total.n_charges).sum::<u64>(), 90, "{by:?}: each row in one total");
        assert!(totals.is_sorted_by(|a, b| a.cost >= b.cost));
    }
    let nobody = ChargeFilter { tenant: Some("other".parse().unwrap()), ..filter };
    let [none] = &store.totals(&nobody, &[]).await.unwrap()[..] else { panic!("one sum of nothing") };
    assert_eq!((none.n_charges, none.cost), (0, Usd::ZERO));
}

#[rstest]
#[tokio::test]
async fn what_a_scope_spent_is_the_sum_of_its_charges(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
    let (_dir, store) = store(column).await;
    store.record(&(1..=10).map(charge).collect::<Vec<_>>(), &[]).await.unwrap();
    let main = TenantId::main();
    for (scope, micros) in [
        (BudgetScope::Tenant(main.clone()), 55),
        (BudgetScope::Key(main.clone(), "even".into()), 30),
        (BudgetScope::Run(main.clone(), "run-5".into()), 15),
        (BudgetScope::Run(main, "run-6".into()), 0),
        (BudgetScope::Tenant("other".parse().unwrap()), 0),
    ] {
        assert_eq!(store.spent(&scope).await.unwrap(), usd(micros), "{scope}");
    }
}
