use serde_json::json;
use wasmtime::Result;

use crate::{
    HostCall,
    bindings::sophia::plugin::{
        budget::Host,
        types::{Error, Money},
    },
    guest::Guest,
};

impl Host for Guest {
    fn remaining(&mut self) -> Result<Result<Money, Error>> {
        self.host_call()?;
        let Some(run) = &self.call.run else {
            return Ok(Err(Error::Unavailable("a run has a budget, and this is none".to_owned())));
        };
        let left = run.remaining();
        self.note(HostCall::Remaining, || json!(left));
        Ok(Ok(Money { micro_usd: left.micros() }))
    }
}
