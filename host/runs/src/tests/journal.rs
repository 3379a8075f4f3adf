use serde_json::json;
use sophia_domain::Usd;
use sophia_sandbox::{AgentTool, Answer, HostCall, PluginError, SubStep};

use super::{
    worker::COST,
    world::{World, agent, drive, outcome},
};

#[tokio::test]
async fn notes_stand_before_the_intent_that_follows_them() {
    let world = World::new().await;
    let run = world
        .begin(|port| async move {
            port.note(HostCall::Now, json!([1, 2]));
            port.note(HostCall::Config, json!(["key", null]));
            drive(&port, agent("critic")).await.unwrap();
            port.note(HostCall::Random, json!("AA=="));
            outcome("{}")
        })
        .await;
    let run = run.new.run;
    world.end(&run).await;
    let rows = world.runs.journal(&run, None, 100).await.unwrap();
    let calls: Vec<_> = rows.iter().map(|row| (row.step, row.k, row.call.as_str())).collect();
    let expected = [
        (0, 0, "clock.now"),
        (1, 0, "config.get"),
        (2, 0, "agents.run"),
        (2, 1, "models.complete"),
        (3, 0, "random.bytes"),
    ];
    assert_eq!(calls, expected);
    assert!(rows.iter().all(|row| row.answer.is_some() && row.ended_micros.is_some()));
    assert_eq!(rows[1].answer.as_deref(), Some(r#"["key",null]"#));
    let turn = &rows[3];
    assert!(turn.intent.as_ref().unwrap().contains("the critic's task"));
    assert_eq!(turn.usage.unwrap().cost.micros(), COST);
}

#[tokio::test]
async fn an_intent_is_durable_before_the_model_is_asked() {
    let world = World::new().await;
    world.worker.mood.hangs.store(true, std::sync::atomic::Ordering::SeqCst);
    let run = world
        .begin(|port| async move {
            drive(&port, agent("critic")).await.map(drop).map_or_else(|e| Ok(Err(e)), |()| outcome("1"))
        })
        .await;
    let run = run.new.run;
    world.worker.was_asked(1).await;
    let rows = world.runs.journal(&run, None, 100).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.k, row.answer.is_some())).collect::<Vec<_>>(), [(0, false), (1, false)]);
    assert!(world.budget(&run).unwrap().held > Usd::ZERO);
    world.runs.cancel(&run).await.unwrap();
    assert_eq!(world.budget(&run), None);
}

#[tokio::test]
async fn an_agent_is_refused_what_it_may_not_have() {
    let world = World::new().await;
    let run = world.begin(|port| async move {
        let dear = sophia_sandbox::Agent { budget: Usd::from_micros(1), ..agent("poor") };
        assert_eq!(drive(&port, dear).await, Err(PluginError::Exhausted("agent".into())));
        let tools = vec![AgentTool { connection: "a/b".into(), action: "c".into() }];
        let equipped = sophia_sandbox::Agent { tools, ..agent("handy") };
        assert!(matches!(drive(&port, equipped).await, Err(PluginError::Unavailable(_))));
        assert!(matches!(port.emit("swarm_end", "{}").await, Err(PluginError::Invalid(_))));
        assert!(matches!(port.emit("milestone", "{").await, Err(PluginError::Invalid(_))));
        port.emit("milestone", "{}").await.unwrap();
        assert_eq!(port.remaining(), Usd::dollars(1));
        outcome("{}")
    });
    let run = run.await.new.run;
    let row = world.end(&run).await;
    assert_eq!(row.spent.cost, Usd::ZERO);
    assert_eq!(row.end.detail, None, "{row:?}");
    let kinds = world.kinds(&run).await;
    let expected = ["swarm_start", "agent_start", "error", "agent_end", "error", "milestone", "swarm_end"];
    assert_eq!(kinds, expected);
}

/// Four runs at once, of which each waits for two flushes a step. Says what a step took.
#[tokio::test(flavor = "multi_thread")]
async fn steps_of_runs_that_go_on_together_are_all_written() {
    const N_STEPS: u32 = 50;
    let world = World::new().await;
    let began = std::time::Instant::now();
    let mut runs = Vec::new();
    for _ in 0..4 {
        let run = world.begin(|port| async move {
            for _ in 0..N_STEPS {
                let step = port.begin(HostCall::Embed, vec![json!({"texts": ["a"]})]).await.unwrap();
                let answer = Answer { record: json!({"Ok": []}), model: None, usage: None, error: None };
                port.end(SubStep { step, item: 0 }, answer).await.unwrap();
            }
            outcome("1")
        });
        runs.push(run.await.new.run);
    }
    for run in &runs {
        world.end(run).await;
        let rows = world.runs.journal(run, None, 500).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.step).collect::<Vec<_>>(), (0..N_STEPS).collect::<Vec<_>>());
        assert!(rows.iter().all(|row| row.answer.is_some()));
    }
    eprintln!("a step took {:?}", began.elapsed() / N_STEPS);
}
