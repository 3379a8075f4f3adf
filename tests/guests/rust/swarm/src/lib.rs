//! A pattern that does what a run is asked for, well or badly.

use serde::Deserialize;
use serde_json::{Value, json};
use sophia_sdk::{
    Description, Error, Json, Money, Operation, Outcome, Pattern, Task,
    agents::{self, Agent, Tool},
    budget, config,
    models::{self, CompletionEvent, CompletionRequest, Message},
    random,
    time::SystemTime,
    timeline::{self, Kind},
};

struct Swarm;

/// What to do: `{"do": "agents"}`
#[derive(Deserialize)]
struct Arguments {
    r#do: String,
    #[serde(default)]
    n: u32,
}

impl Pattern for Swarm {
    fn describe() -> Description {
        let run = Operation { name: "run", summary: "Does as it is told.", ..Operation::default() };
        Description { title: "Swarm", operations: vec![run], ..Description::default() }
    }

    fn run(task: Task) -> Result<Outcome, Error> {
        let Arguments { r#do, n } = task.arguments.parse()?;
        match r#do.as_str() {
            "agents" => two_agents(None),
            "broke" => two_agents(Some(Money { micro_usd: 1 })),
            "tools" => tools(),
            "other-class" => {
                Outcome::of(&agents::run(Agent { class: "quality".to_owned(), ..agent("first", None) })?.content)
            }
            "other-model" => Outcome::of(
                &models::complete(CompletionRequest { class: "quality".to_owned(), ..request("one") })?.content,
            ),
            "many" => many(),
            "trap" => {
                let _ = agents::run(agent("first", None));
                panic!("in the middle of a run");
            }
            "wait" => {
                let _ = agents::run(agent("first", None));
                Outcome::of(&agents::run(agent("second", None))?.content)
            }
            "spin" => loop {
                std::hint::black_box(());
            },
            "nonsense" => Ok(Outcome { content: Json::from_text("{no".into()), confidence: None }),
            "certain" => Ok(Outcome { confidence: Some(1.5), ..Outcome::of(&1)? }),
            "own-error" => Err(Error::NotFound("the thing".into())),
            "forge" => forge(),
            "emit" => emit(n),
            "all" => all(),
            other => Err(Error::Invalid(format!("`{other}` is nothing to do"))),
        }
    }
}

fn agent(role: &str, budget: Option<Money>) -> Agent {
    Agent {
        role: role.to_owned(),
        instructions: "Be brief.".to_owned(),
        task: format!("Speak as the {role}."),
        class: "fast".to_owned(),
        budget,
        ..Agent::default()
    }
}

fn two_agents(budget: Option<Money>) -> Result<Outcome, Error> {
    timeline::emit(Kind::Milestone, &json!({"step": "asking"}))?;
    let outcomes = agents::run_all(vec![agent("optimist", budget), agent("sceptic", budget)]);
    let said = outcomes.into_iter().map(|outcome| outcome.map(|outcome| outcome.content));
    let said: Vec<String> = said.collect::<Result<_, _>>()?;
    Ok(Outcome {
        confidence: Some(0.75),
        ..Outcome::of(&json!({"said": said, "left": budget::remaining()?.micro_usd}))?
    })
}

fn tools() -> Result<Outcome, Error> {
    let tools = vec![Tool { connection: "a/b".into(), action: "c".into() }];
    Outcome::of(&agents::run(Agent { tools, ..agent("worker", None) })?.content)
}

fn forge() -> Result<Outcome, Error> {
    let refused: Vec<bool> = [Kind::SwarmEnd, Kind::CostUpdate, Kind::AgentEnd]
        .map(|kind| matches!(timeline::emit(kind, &json!({"cost": 1})), Err(Error::Invalid(_))))
        .to_vec();
    Outcome::of(&refused)
}

fn emit(n: u32) -> Result<Outcome, Error> {
    for i in 0..n {
        timeline::emit(Kind::Milestone, &json!({ "i": i }))?;
    }
    Outcome::of(&n)
}

fn request(text: &str) -> CompletionRequest {
    CompletionRequest { class: "fast".to_owned(), messages: vec![Message::user(text)], ..CompletionRequest::default() }
}

/// One more of each than may be asked for at a time.
fn many() -> Result<Outcome, Error> {
    let requests = models::complete_all(vec![request("one"); 65]);
    let agents = agents::run_all((0..65).map(|_| agent("first", None)).collect());
    let refused = |error: Option<&Error>| matches!(error, Some(Error::Invalid(_)));
    let requests: Vec<bool> = requests.iter().map(|one| refused(one.as_ref().err())).collect();
    let agents: Vec<bool> = agents.iter().map(|one| refused(one.as_ref().err())).collect();
    Outcome::of(&json!({ "requests": requests, "agents": agents }))
}

/// Every kind of step.
fn all() -> Result<Outcome, Error> {
    let now = SystemTime::now().unix_millis();
    let dice = random::bytes(4);
    let greeting = config::get("swarm.greeting");
    let several = models::complete_all(vec![request("one"), request("two"), request("three")]);
    let several: Vec<String> = several.into_iter().map(|one| one.map(|one| one.content)).collect::<Result<_, _>>()?;
    let mut stream = models::stream(request("four"))?;
    let mut pieces: Vec<Value> = Vec::new();
    while let Some(event) = stream.next_event()? {
        match event {
            CompletionEvent::Delta(text) => pieces.push(json!([text, SystemTime::now().unix_millis()])),
            CompletionEvent::Done(_) => break,
        }
    }
    let unread = models::stream(request("five"))?;
    drop(unread);
    Outcome::of(&json!({"now": now, "dice": dice, "greeting": greeting, "several": several, "pieces": pieces}))
}

sophia_sdk::pattern!(Swarm);
