//! Agents: the run drives them; here they become a step with an item for each.

use sophia_domain::Usd;
use wasmtime::Result;

use super::{
    models::{may_use, only},
    steps::{Item, Recorded},
};
use crate::{
    Agent, AgentOutcome, AgentTool, HostCall, PluginError, Usage,
    bindings::sophia::plugin::{
        agents::{self as wit, Host},
        types::Error,
    },
    guest::Guest,
};

/// As `wit/agents.wit` says.
const MAX_AGENTS: usize = 64;

impl Host for Guest {
    async fn run(&mut self, agent: wit::Agent) -> Result<Result<wit::Outcome, Error>> {
        Ok(only(self.drive(vec![agent]).await?))
    }

    async fn run_all(&mut self, agents: Vec<wit::Agent>) -> Result<Vec<Result<wit::Outcome, Error>>> {
        if agents.len() > MAX_AGENTS {
            let refused = || Err(Error::Invalid(format!("at most {MAX_AGENTS} agents at a time")));
            return Ok(agents.iter().map(|_| refused()).collect());
        }
        self.drive(agents).await
    }
}

impl Guest {
    async fn drive(&mut self, agents: Vec<wit::Agent>) -> Result<Vec<Result<wit::Outcome, Error>>> {
        let classes = self.call.classes.clone();
        let drive = |item: Option<Item>, agent: Agent| {
            let classes = classes.clone();
            async move {
                let item = item.ok_or_else(|| PluginError::Unavailable("agents run within a run only".to_owned()))?;
                may_use(&classes, &agent.class)?;
                item.run.agent(item.at, agent).await
            }
        };
        let agents = agents.into_iter().map(Agent::from).collect();
        let outcomes = self.each(HostCall::Agents, agents, drive).await?;
        Ok(outcomes.into_iter().map(|outcome| outcome.map(wit::Outcome::from)).collect())
    }
}

impl Recorded for AgentOutcome {
    fn usage(&self) -> Usage {
        self.usage
    }
}

impl From<wit::Agent> for Agent {
    fn from(agent: wit::Agent) -> Self {
        let tools = agent.tools.into_iter();
        Self {
            role: agent.role,
            instructions: agent.instructions,
            task: agent.task,
            class: agent.class,
            tools: tools.map(|tool| AgentTool { connection: tool.connection, action: tool.action }).collect(),
            schema: agent.schema,
            budget: agent.budget.map(|money| Usd::from_micros(money.micro_usd).unwrap_or(Usd::MAX)),
        }
    }
}

impl From<AgentOutcome> for wit::Outcome {
    fn from(outcome: AgentOutcome) -> Self {
        Self { content: outcome.content, turns: outcome.turns, usage: outcome.usage.into() }
    }
}
