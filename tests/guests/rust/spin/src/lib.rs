//! A connector whose action `spin` computes for ever, and whose `describe` does not.

use sophia_sdk::{Connector, Description, Error, Json, Operation};

struct Spin;

impl Connector for Spin {
    fn describe() -> Description {
        let spin = Operation { name: "spin", summary: "Never ends.", ..Operation::default() };
        Description { title: "Spin", operations: vec![spin], ..Description::default() }
    }

    fn check() -> Result<(), Error> {
        Ok(())
    }

    fn act(action: &str, _: Json) -> Result<Json, Error> {
        match action {
            "spin" => loop {
                std::hint::spin_loop();
            },
            _ => Err(Error::no_action(action)),
        }
    }
}

sophia_sdk::connector!(Spin);
