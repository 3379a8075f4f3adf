//! A run while it runs: a line for each agent that is at work, and one for the whole. Quiet where
//! standard error is no terminal.

use std::{collections::HashMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::run_view::{Event, seconds};

/// How often the spinners turn.
const TICK: Duration = Duration::from_millis(100);

/// Characters of a text in a line.
const MAX_TEXT: usize = 60;

/// What is shown of a run.
pub(super) struct Progress {
    lines: MultiProgress,
    whole: ProgressBar,
    agents: HashMap<String, ProgressBar>,
    id: String,
    tokens: u64,
    cost: String,
}

impl Progress {
    /// Of a run that began.
    pub(super) fn new(id: &str) -> Self {
        let lines = MultiProgress::new();
        let whole = lines.add(spinner());
        whole.set_message(format!("{id} is under way"));
        let (agents, id) = (HashMap::new(), id.to_owned());
        Self { lines, whole, agents, id, tokens: 0, cost: String::new() }
    }

    /// Shows an event.
    pub(super) fn saw(&mut self, event: &Event) {
        let role = event.role.as_deref().unwrap_or("agent");
        match (event.kind.as_str(), &event.agent) {
            ("agent_start", Some(agent)) => {
                let line = self.lines.insert_before(&self.whole, spinner());
                line.set_message(format!("{role} thinks"));
                self.agents.insert(agent.clone(), line);
            }
            ("agent_end", Some(agent)) => {
                if let Some(line) = self.agents.remove(agent) {
                    let took = event.duration_ms.map(seconds).unwrap_or_default();
                    line.finish_with_message(format!("{role} is done after {took}"));
                }
            }
            ("agent_message", Some(agent)) => {
                if let Some(line) = self.agents.get(agent) {
                    line.set_message(format!("{role}: {}", shown(event)));
                }
            }
            ("milestone" | "gate_result" | "error", _) => {
                // Only a terminal shows it, and one that is gone is no reason to stop.
                let _ = self.lines.println(format!("  {} {}", event.kind, shown(event)));
            }
            _ => {}
        }
        self.tokens = self.tokens.saturating_add(event.tokens.unwrap_or_default());
        if let Some(cost) = &event.cost {
            self.cost = format!(", last {cost}");
        }
        self.whole.set_message(format!("{}: {} tokens{}", self.id, self.tokens, self.cost));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.whole.finish_and_clear();
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    let bar = ProgressBar::new_spinner();
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(TICK);
    bar
}

fn shown(event: &Event) -> String {
    event.content.as_deref().unwrap_or_default().chars().take(MAX_TEXT).collect()
}
