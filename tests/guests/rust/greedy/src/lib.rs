//! A connector with one action for each limit that is not time.

use serde_json::json;
use sophia_sdk::{Connector, Description, Error, Json, Operation, config, log};

struct Greedy;

const ACTIONS: [(&str, &str); 4] = [
    ("grow", "Takes memory until there is none."),
    ("answer", "Answers with more than an answer may be."),
    ("ask", "Calls the host without end."),
    ("chatter", "Logs more than a call may, and then ends well."),
];

impl Connector for Greedy {
    fn describe() -> Description {
        let operation = |(name, summary)| Operation { name, summary, ..Operation::default() };
        let operations = ACTIONS.into_iter().map(operation).collect();
        Description { title: "Greedy", operations, ..Description::default() }
    }

    fn act(action: &str, _: Json) -> Result<Json, Error> {
        match action {
            "grow" => Ok(grow()),
            "answer" => Json::of(&"x".repeat(2 << 20)),
            "ask" => loop {
                std::hint::black_box(config::get("nothing"));
            },
            "chatter" => {
                (0..100).for_each(|n| log::info(&"la".repeat(100), &[("line", &n.to_string())]));
                Json::of(&json!({ "lines": 100 }))
            }
            _ => Err(Error::no_action(action)),
        }
    }
}

/// Each piece is written to, so that none of it is only promised.
fn grow() -> Json {
    let mut pieces = Vec::new();
    loop {
        pieces.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

sophia_sdk::connector!(Greedy);
