use wasmtime::Result;

use crate::{
    PluginError,
    bindings::sophia::plugin::{timeline::Host, types::Error},
    guest::Guest,
};

impl Host for Guest {
    async fn emit(&mut self, kind: String, data: String) -> Result<Result<(), Error>> {
        self.host_call()?;
        let outcome = match self.call.run.clone() {
            Some(run) => run.emit(&kind, &data).await,
            None => Err(PluginError::Unavailable("there is a timeline within a run only".to_owned())),
        };
        Ok(outcome.map_err(Error::from))
    }
}
