//! A connector whose action `echo` answers with its arguments, read and written anew.

use serde_json::Value;
use sophia_sdk::{Connector, Description, Error, Json, Operation};

struct Echo;

impl Connector for Echo {
    fn describe() -> Description {
        let echo = Operation { name: "echo", summary: "Gives back its arguments.", ..Operation::default() };
        Description { title: "Echo", operations: vec![echo], ..Description::default() }
    }

    fn check() -> Result<(), Error> {
        Ok(())
    }

    fn act(action: &str, arguments: Json) -> Result<Json, Error> {
        match action {
            "echo" => Json::of(&arguments.parse::<Value>()?),
            _ => Err(Error::no_action(action)),
        }
    }
}

sophia_sdk::connector!(Echo);
