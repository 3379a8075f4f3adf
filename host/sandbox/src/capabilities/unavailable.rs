//! Interfaces of the contract whose rooms this node does not have yet. Each says so, with a type
//! of its own; none invents an answer.

use wasmtime::Result;

use crate::{
    bindings::sophia::plugin::{connectors, memory, types::Error},
    guest::Guest,
};

impl Guest {
    pub(super) fn missing<T>(&mut self, interface: &str) -> Result<Result<T, Error>> {
        self.host_call()?;
        Ok(Err(Error::Unavailable(format!("{interface} is not available on this node"))))
    }
}

impl connectors::Host for Guest {
    fn invoke(&mut self, _: String, _: String, _: String) -> Result<Result<String, Error>> {
        self.missing("connectors")
    }

    fn read(&mut self, _: String, _: String, _: Option<String>) -> Result<Result<connectors::Records, Error>> {
        self.missing("connectors")
    }
}

impl memory::Host for Guest {
    fn get(&mut self, _: String, _: String) -> Result<Result<memory::Item, Error>> {
        self.missing("memory")
    }

    fn put(&mut self, _: String, _: memory::Item) -> Result<Result<(), Error>> {
        self.missing("memory")
    }

    fn delete(&mut self, _: String, _: String) -> Result<Result<(), Error>> {
        self.missing("memory")
    }

    fn search(&mut self, _: String, _: String, _: u32, _: Option<String>) -> Result<Result<Vec<memory::Hit>, Error>> {
        self.missing("memory")
    }

    fn facts(&mut self, _: String, _: String) -> Result<Result<Vec<memory::Fact>, Error>> {
        self.missing("memory")
    }
}
