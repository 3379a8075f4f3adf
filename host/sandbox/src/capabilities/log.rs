use wasmtime::Result;

use crate::{
    LogLevel,
    bindings::sophia::plugin::log::{Host, Level},
    guest::Guest,
};

impl Host for Guest {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> Result<()> {
        self.host_call()?;
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        // The name is the interface's function; the line goes to the call's bounded log.
        Guest::log(self, level, message, fields);
        Ok(())
    }
}
