use serde_json::json;
use wasmtime::Result;

use crate::{HostCall, bindings::sophia::plugin::config::Host, guest::Guest};

impl Host for Guest {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        self.host_call()?;
        let value = self.call.config.get(&key).cloned();
        self.note(HostCall::Config, || json!([key, value]));
        Ok(value)
    }
}
