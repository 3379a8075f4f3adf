//! Interfaces of the contract whose rooms this node does not have yet. Each says so, with a type
//! of its own; none invents an answer.

use wasmtime::{Result, component::Resource};

use crate::{
    bindings::sophia::plugin::{
        agents::{self, Agent, Outcome},
        budget, connectors, memory,
        models::{self, Completion, CompletionEvent, CompletionRequest, Embeddings, Ranked},
        timeline,
        types::{Error, Money},
    },
    guest::Guest,
};

/// Stands for a stream of the contract that no call can have: nothing makes one.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub enum CompletionStream {}

impl Guest {
    fn missing<T>(&mut self, interface: &str) -> Result<Result<T, Error>> {
        self.host_call()?;
        Ok(Err(Error::Unavailable(format!("{interface} is not available on this node"))))
    }

    fn all_missing<A, T>(&mut self, asked: &[A], interface: &str) -> Result<Vec<Result<T, Error>>> {
        asked.iter().map(|_| self.missing(interface)).collect()
    }
}

impl models::Host for Guest {
    fn complete(&mut self, _: CompletionRequest) -> Result<Result<Completion, Error>> {
        self.missing("models")
    }

    fn complete_all(&mut self, requests: Vec<CompletionRequest>) -> Result<Vec<Result<Completion, Error>>> {
        self.all_missing(&requests, "models")
    }

    fn open_stream(&mut self, _: CompletionRequest) -> Result<Result<Resource<CompletionStream>, Error>> {
        self.missing("models")
    }

    fn embed(&mut self, _: String, _: Vec<String>) -> Result<Result<Embeddings, Error>> {
        self.missing("models")
    }

    fn rerank(&mut self, _: String, _: String, _: Vec<String>) -> Result<Result<Vec<Ranked>, Error>> {
        self.missing("models")
    }
}

impl models::HostCompletionStream for Guest {
    fn next(&mut self, _: Resource<CompletionStream>) -> Result<Result<Option<CompletionEvent>, Error>> {
        self.missing("models")
    }

    fn drop(&mut self, stream: Resource<CompletionStream>) -> Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl agents::Host for Guest {
    fn run(&mut self, _: Agent) -> Result<Result<Outcome, Error>> {
        self.missing("agents")
    }

    fn run_all(&mut self, agents: Vec<Agent>) -> Result<Vec<Result<Outcome, Error>>> {
        self.all_missing(&agents, "agents")
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

impl timeline::Host for Guest {
    fn emit(&mut self, _: String, _: String) -> Result<Result<(), Error>> {
        self.missing("timeline")
    }
}

impl budget::Host for Guest {
    fn remaining(&mut self) -> Result<Result<Money, Error>> {
        self.missing("budget")
    }
}
