use std::sync::{Arc, Mutex, atomic::Ordering::SeqCst};

use sophia_domain::{Fault, Usd};
use sophia_sandbox::{HostCall, PluginError, RunPort};
use sophia_store::runs::{EventRow, NewRun, RunRef, Started};

use super::{
    worker::COST,
    world::{World, agent, drive, open, order, outcome, work},
};
use crate::{CancelError, Order, RunStatus, StartError};

#[tokio::test]
async fn a_run_costs_what_its_charges_say_and_gives_its_budget_back() {
    let world = World::new().await;
    let run = world
        .begin(|port| async move {
            for role in ["reviewer", "critic"] {
                drive(&port, agent(role)).await.unwrap();
            }
            outcome(r#"{"verdict":"pass"}"#)
        })
        .await;
    assert_eq!(run.status, RunStatus::Running);
    let run = run.new.run;
    let row = world.end(&run).await;
    assert_eq!((row.status, row.spent.cost.micros(), row.spent.n_charges), (RunStatus::Succeeded, 2 * COST, 2));
    assert_eq!(row.end.content.as_deref(), Some(r#"{"verdict":"pass"}"#));
    assert!(row.duration_micros.is_some_and(|took| took > 0));
    assert_eq!(world.budget(&run), None);
    let totals = world.runs.totals(&run).await.unwrap();
    assert_eq!(totals.cost, row.spent.cost);
    let roles: Vec<_> = totals.roles.iter().map(|role| (role.role.as_str(), role.n_messages)).collect();
    assert_eq!(roles, [("reviewer", 1), ("critic", 1)]);
    assert!(matches!(world.runs.cancel(&run).await, Err(CancelError::Ended(RunStatus::Succeeded))));
}

#[tokio::test]
async fn whatever_ends_a_run_closes_its_record() {
    let world = World::new().await;
    let ends = [
        (outcome("{no"), Some("contract")),
        (Err(Fault::Trap("unreachable".into())), Some("trap")),
        (Ok(Err(PluginError::Invalid("no".into()))), None),
    ];
    for (end, fault) in ends {
        let run = world.begin(|_| async move { end }).await.new.run;
        let row = world.end(&run).await;
        assert_eq!((row.status, row.end.fault.as_deref()), (RunStatus::Failed, fault));
        assert_eq!(world.kinds(&run).await, ["swarm_start", "error", "swarm_end"]);
    }
    let panics = world.begin(|_| async move { panic!("a defect of this node") }).await.new.run;
    assert_eq!(world.end(&panics).await.end.fault.as_deref(), Some("host"));
}

#[tokio::test]
async fn cancelling_releases_what_is_held_and_takes_nothing_down_after() {
    let world = World::new().await;
    world.worker.mood.hangs.store(true, SeqCst);
    let kept = Arc::<Mutex<Option<Arc<dyn RunPort>>>>::default();
    let port_kept = kept.clone();
    let run = world
        .begin(move |port| async move {
            *port_kept.lock().unwrap() = Some(port.clone());
            drive(&port, agent("critic")).await.unwrap();
            outcome("1")
        })
        .await;
    let run = run.new.run;
    world.worker.was_asked(1).await;
    let (one, two) = tokio::join!(world.runs.cancel(&run), world.runs.cancel(&run));
    assert_eq!((one.unwrap().status, two.unwrap().status), (RunStatus::Cancelled, RunStatus::Cancelled));
    assert_eq!(world.budget(&run), None);
    assert_eq!(world.runs.n_running(), 0);
    let port = kept.lock().unwrap().take().unwrap();
    assert!(port.begin(HostCall::Complete, Vec::new()).await.is_err());
    assert!(port.emit("milestone", "{}").await.is_err());
    assert_eq!(world.kinds(&run).await.last().map(String::as_str), Some("swarm_end"));
}

#[tokio::test]
async fn a_run_is_started_once_for_a_name_and_never_beyond_what_is_allowed() {
    let world = World::new().await;
    let named = || Order { idempotency_key: Some("once".into()), ..order() };
    let start = |order| world.runs.start(order, work(|_| async { outcome("1") }));
    let first = start(named()).await.unwrap();
    let again = start(named()).await.unwrap();
    assert_eq!((first.is_new, again.is_new), (true, false));
    assert_eq!(first.run.new.run, again.run.new.run);
    let other = Order { request_digest: sophia_domain::Digest::of(b"other"), ..named() };
    assert!(matches!(start(other).await, Err(StartError::Reused { .. })));
    for (budget, wrong) in [(Usd::ZERO, "nothing"), (Usd::dollars(3), "at most")] {
        let error = start(Order { budget: Some(budget), ..order() }).await.unwrap_err();
        assert!(error.to_string().contains(wrong), "{error}");
    }
    let garbled = Order { arguments: "{".into(), ..order() };
    assert!(matches!(start(garbled).await, Err(StartError::Arguments(_))));
    let idle = || world.runs.start(order(), work(|_| std::future::pending()));
    world.end(&first.run.new.run).await;
    let mut begun = Vec::new();
    while begun.len() < 4 {
        match idle().await {
            Ok(started) => begun.push(started.run.new.run),
            Err(error) => assert!(matches!(error, StartError::Busy(4)), "{error}"),
        }
    }
    assert!(matches!(idle().await, Err(StartError::Busy(4))));
}

#[tokio::test]
async fn what_an_earlier_process_left_is_closed_at_the_start() {
    let world = World::new().await;
    let run = RunRef { tenant: order().tenant, id: "run-left".into() };
    let new = NewRun {
        run: run.clone(),
        pattern: order().pattern,
        digest: order().digest,
        key: order().key,
        arguments: "{}".into(),
        budget: Usd::dollars(1),
        idempotency_key: None,
        request_digest: order().request_digest,
        started_micros: 1_000,
    };
    let first = EventRow { seq: 1, at_micros: 1_500, kind: "swarm_start".into(), ..EventRow::default() };
    assert_eq!(world.store.start_run(&new, &first).await.unwrap(), Started::New);
    world.store.leave().await.unwrap();
    world.store.rejoin().await.unwrap();
    let runs = open(&world.store, &world.ledger, &world.models).await;
    let row = runs.get(&run).await.unwrap().unwrap();
    assert_eq!((row.status, row.end.fault.as_deref()), (RunStatus::Failed, Some("interrupted")));
    assert_eq!((row.ended_micros, row.duration_micros), (Some(1_500), Some(500)));
    assert_eq!(world.kinds(&run).await, ["swarm_start", "error", "swarm_end"]);
}

#[tokio::test]
async fn draining_lets_runs_end_and_cuts_off_those_that_do_not() {
    let world = World::new().await;
    let quick = world
        .begin(|port| async move { drive(&port, agent("quick")).await.map_or_else(|e| Ok(Err(e)), |_| outcome("1")) });
    let quick = quick.await.new.run;
    let endless = world.begin(|_| std::future::pending()).await.new.run;
    world.runs.drain(std::time::Duration::from_millis(800)).await;
    let of = async |run| world.runs.get(run).await.unwrap().unwrap();
    assert_eq!(of(&quick).await.status, RunStatus::Succeeded);
    let cut = of(&endless).await;
    assert_eq!((cut.status, cut.end.fault.as_deref()), (RunStatus::Failed, Some("interrupted")));
    let late = world.runs.start(order(), work(|_| async { outcome("1") })).await;
    assert!(matches!(late, Err(StartError::Closed)));
}

#[tokio::test]
async fn what_a_run_under_way_has_spent_is_known() {
    let world = World::new().await;
    let (asked, answered) = tokio::sync::oneshot::channel();
    let run = world
        .begin(|port| async move {
            drive(&port, agent("reviewer")).await.unwrap();
            asked.send(()).unwrap();
            std::future::pending().await
        })
        .await;
    answered.await.unwrap();
    let run = run.new.run;
    let row = world.runs.get(&run).await.unwrap().unwrap();
    assert_eq!((row.status, row.spent.n_charges, row.spent.cost.micros()), (RunStatus::Running, 1, COST));
    let ended = world.runs.cancel(&run).await.unwrap();
    assert_eq!((ended.status, ended.spent.n_charges), (RunStatus::Cancelled, 1));
}
