//! An agent: one turn of a model, since there are no tools yet.

use serde::Serialize;
use sophia_models::{Asker, Completion, CompletionRequest, Finish, Message, Models, Role};
use sophia_sandbox::{Agent, AgentOutcome, PluginError, Usage};

/// A model's answer to an agent, as the journal has it.
#[derive(Debug, Serialize)]
pub(crate) struct Turn {
    pub(crate) content: String,
    pub(crate) finish: Finish,
    pub(crate) model: String,
    pub(crate) usage: Usage,
}

/// What the model is asked in an agent's only turn; what it cannot be asked for is refused.
pub(crate) fn request(agent: &Agent) -> Result<CompletionRequest, PluginError> {
    if !agent.tools.is_empty() {
        let why = "agents have no tools on this node yet: give the agent what it needs in its task";
        return Err(PluginError::Unavailable(why.to_owned()));
    }
    let mut messages = Vec::with_capacity(2);
    if !agent.instructions.is_empty() {
        messages.push(Message { role: Role::System, content: agent.instructions.clone() });
    }
    messages.push(Message { role: Role::User, content: agent.task.clone() });
    Ok(CompletionRequest {
        class: agent.class.clone(),
        messages,
        max_output_tokens: None,
        // What a program reads shall be the likeliest answer, not one of many.
        temperature: agent.schema.as_ref().map(|_| 0.0),
        seed: None,
        stop: Vec::new(),
        schema: agent.schema.clone(),
    })
}

/// Asks. What the agent may cost bounds what the call may, so nothing is held that is beyond it.
pub(crate) async fn take(
    models: &Models,
    asker: Asker,
    agent: &Agent,
    request: CompletionRequest,
) -> Result<Turn, PluginError> {
    let asker = Asker { most: agent.budget, ..asker };
    Ok(Turn::from(models.complete(&asker, request).await?))
}

impl Turn {
    /// What the agent came to, after this one turn.
    pub(crate) fn into_outcome(self) -> AgentOutcome {
        AgentOutcome { content: self.content, turns: 1, usage: self.usage }
    }
}

impl From<Completion> for Turn {
    fn from(done: Completion) -> Self {
        Self { content: done.content, finish: done.finish, model: done.model, usage: done.used.into() }
    }
}
