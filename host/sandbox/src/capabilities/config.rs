use wasmtime::Result;

use crate::{bindings::sophia::plugin::config::Host, guest::Guest};

impl Host for Guest {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        self.host_call()?;
        Ok(self.call.config.get(&key).cloned())
    }
}
