//! A connector whose action `draw` answers with random values that ordinary crates drew: each by
//! another line of getrandom, none of which knows the host. Two calls never agree.

use rand_core_06::RngCore;
use serde_json::json;
use sophia_sdk::{Connector, Description, Error, Json, Operation, time::SystemTime};

struct OrdinaryCrates;

impl Connector for OrdinaryCrates {
    fn describe() -> Description {
        let draw = Operation { name: "draw", summary: "Draws random values.", ..Operation::default() };
        Description { title: "Ordinary crates", operations: vec![draw], ..Description::default() }
    }

    fn act(action: &str, _arguments: Json) -> Result<Json, Error> {
        match action {
            "draw" => Ok(json!({
                "rand_core": rand_core_06::OsRng.next_u64().to_string(),
                "ahash": ahash::RandomState::new().hash_one("x").to_string(),
                "uuid": uuid::Uuid::new_v4().to_string(),
                "now": SystemTime::now().to_rfc3339(),
            })
            .into()),
            _ => Err(Error::no_action(action)),
        }
    }
}

sophia_sdk::connector!(OrdinaryCrates);
