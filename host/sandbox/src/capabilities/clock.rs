use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use wasmtime::Result;

use crate::{
    HostCall,
    bindings::sophia::plugin::clock::{Datetime, Host},
    guest::Guest,
};

impl Host for Guest {
    fn now(&mut self) -> Result<Datetime> {
        self.host_call()?;
        // A clock before 1970 reads as 1970: the contract has no earlier time.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.note(HostCall::Now, || json!([since.as_secs(), since.subsec_nanos()]));
        Ok(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
    }

    fn monotonic(&mut self) -> Result<u64> {
        self.host_call()?;
        let elapsed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.note(HostCall::Monotonic, || json!(elapsed));
        Ok(elapsed)
    }
}
