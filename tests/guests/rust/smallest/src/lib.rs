use sophia_sdk::{Connector, Description, Error, Json, Operation};

struct Greeter;

impl Connector for Greeter {
    fn describe() -> Description {
        let greet = Operation { name: "greet", summary: "Greets whoever is named.", ..Operation::default() };
        Description { title: "Greeter", operations: vec![greet], ..Description::default() }
    }

    fn act(action: &str, arguments: Json) -> Result<Json, Error> {
        match action {
            "greet" => Json::of(&format!("Hello, {}!", arguments.parse::<&str>()?)),
            _ => Err(Error::no_action(action)),
        }
    }
}

sophia_sdk::connector!(Greeter);
