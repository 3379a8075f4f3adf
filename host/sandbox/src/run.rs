//! The run that a call belongs to: where its host calls are taken down as steps, who drives its
//! agents, and what people see of it.
//!
//! What leaves the node is a step: an intent, then for each of its items an answer, both durable
//! before anybody acts on them. What this node answers itself (the time, random bytes, settings,
//! what is left of the budget) is a note: it need not be durable before the next intent is, since
//! nothing outside has been told of it until then.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sophia_domain::{RunId, Tokens, Usd};
use sophia_ledger::Used;

use crate::PluginError;

/// What a run does for the guest that executes its pattern. The room `runs` implements it.
#[async_trait]
pub trait RunPort: Send + Sync {
    /// The run's id.
    fn id(&self) -> &RunId;

    /// Takes down what this node answered itself.
    fn note(&self, call: HostCall, answer: Value);

    /// Takes down what a host call is about to do, one request an item, and numbers the step.
    async fn begin(&self, call: HostCall, items: Vec<Value>) -> Result<u32, RunFault>;

    /// Takes down a piece of an answer that comes in pieces, in their order.
    async fn piece(&self, at: SubStep, piece: Value) -> Result<(), RunFault>;

    /// Takes down what came of an item. Once for each.
    async fn end(&self, at: SubStep, answer: Answer) -> Result<(), RunFault>;

    /// Drives an agent to its end. `at` is the item that it stands for; its class is one that the
    /// plugin may use.
    async fn agent(&self, at: SubStep, agent: Agent) -> Result<AgentOutcome, PluginError>;

    /// Adds an event of the guest's to the timeline.
    async fn emit(&self, kind: &str, data: &str) -> Result<(), PluginError>;

    /// What the run may still spend, holds taken off.
    fn remaining(&self) -> Usd;
}

/// A function of the contract that a run takes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostCall {
    /// `clock.now`
    Now,
    /// `clock.monotonic`
    Monotonic,
    /// `random.bytes`
    Random,
    /// `config.get`
    Config,
    /// `budget.remaining`
    Remaining,
    /// `models.complete` and `models.complete-all`
    Complete,
    /// `models.open-stream`
    Stream,
    /// `models.embed`
    Embed,
    /// `agents.run` and `agents.run-all`
    Agents,
}

impl HostCall {
    /// The name in a journal: that of the function in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Now => "clock.now",
            Self::Monotonic => "clock.monotonic",
            Self::Random => "random.bytes",
            Self::Config => "config.get",
            Self::Remaining => "budget.remaining",
            Self::Complete => "models.complete",
            Self::Stream => "models.open-stream",
            Self::Embed => "models.embed",
            Self::Agents => "agents.run",
        }
    }
}

/// One item of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubStep {
    /// The step's number within the run, from 0.
    pub step: u32,
    /// The item's place in the step, from 0.
    pub item: u32,
}

/// What came of an item: all that a replay needs, and what a timeline shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `{"Ok": …}` or `{"Err": …}`, as the guest was given it.
    pub record: Value,
    /// The model that answered.
    pub model: Option<String>,
    /// What it used.
    pub usage: Option<Usage>,
    /// Why it failed.
    pub error: Option<PluginError>,
}

/// The journal does not take a step down, so the step is not made and the guest is ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run's journal cannot be written: {0}")]
pub struct RunFault(pub String);

/// One agent and its task, as the contract has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// What the timeline calls it.
    pub role: String,
    /// Its system prompt.
    pub instructions: String,
    /// Its task.
    pub task: String,
    /// The class of model it thinks with.
    pub class: String,
    /// The tools it may use.
    pub tools: Vec<AgentTool>,
    /// JSON Schema that its final answer must fit.
    pub schema: Option<String>,
    /// The most it may cost.
    pub budget: Option<Usd>,
}

/// A tool that an agent may use: one action of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentTool {
    /// The connection, as `connector/connection`.
    pub connection: String,
    /// The action's name.
    pub action: String,
}

/// What an agent came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentOutcome {
    /// Its final answer.
    pub content: String,
    /// Model turns taken.
    pub turns: u32,
    /// What all of them used.
    pub usage: Usage,
}

/// Tokens and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How many tokens.
    pub tokens: Tokens,
    /// What they cost.
    pub cost: Usd,
}

impl From<Used> for Usage {
    fn from(used: Used) -> Self {
        Self { tokens: used.tokens, cost: used.cost }
    }
}
