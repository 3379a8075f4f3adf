use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::Result;

use crate::{
    bindings::sophia::plugin::clock::{Datetime, Host},
    guest::Guest,
};

impl Host for Guest {
    fn now(&mut self) -> Result<Datetime> {
        self.host_call()?;
        // A clock before 1970 reads as 1970: the contract has no earlier time.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
    }

    fn monotonic(&mut self) -> Result<u64> {
        self.host_call()?;
        Ok(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
