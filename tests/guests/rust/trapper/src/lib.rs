//! A connector whose actions trap.

use sophia_sdk::{Connector, Description, Error, Json, Operation};

struct Trapper;

impl Connector for Trapper {
    fn describe() -> Description {
        let operation = |(name, summary)| Operation { name, summary, ..Operation::default() };
        let operations = [("panic", "Panics with a message."), ("recurse", "Calls itself for ever.")];
        let operations = operations.into_iter().map(operation).collect();
        Description { title: "Trapper", operations, ..Description::default() }
    }

    fn act(action: &str, _: Json) -> Result<Json, Error> {
        match action {
            "panic" => panic!("this is what the log should say"),
            "recurse" => Json::of(&recurse(1)),
            _ => Err(Error::no_action(action)),
        }
    }
}

/// Every frame holds something that is looked at afterwards, so that no loop can stand for it.
fn recurse(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 64]);
    if n == 0 { 0 } else { recurse(n + 1) + frame.iter().sum::<u64>() }
}

sophia_sdk::connector!(Trapper);
