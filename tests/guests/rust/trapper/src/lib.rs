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

/// What stands after the inner call cannot be reordered, so that no loop can stand for it; and
/// nothing has an address, so that it is the engine's stack that ends and not the one in memory.
#[inline(never)]
fn recurse(n: u64) -> u64 {
    if n == u64::MAX { 0 } else { recurse(n.wrapping_mul(5) | 1).wrapping_mul(3) ^ n }
}

sophia_sdk::connector!(Trapper);
