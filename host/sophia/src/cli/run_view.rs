//! A run and its events, as answers have them and as people read them.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::show::Amount;

/// A run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) pattern: String,
    pub(crate) status: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) duration_ms: Option<f64>,
    pub(crate) outcome: Option<RecordOutcome>,
    pub(crate) failure: Option<RecordFailure>,
    pub(crate) spent: Spent,
}

/// What it came to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordOutcome {
    pub(crate) content: Value,
    pub(crate) confidence: Option<f64>,
}

/// Why it came to nothing.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordFailure {
    pub(crate) fault: Option<String>,
    pub(crate) blame: Option<String>,
    pub(crate) detail: Option<String>,
}

/// What it cost.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Spent {
    pub(crate) cost: Amount,
    pub(crate) calls: u64,
}

/// An event of a timeline.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) at: Option<Timestamp>,
    pub(crate) kind: String,
    pub(crate) agent: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) cost: Option<Amount>,
    pub(crate) tokens: Option<u64>,
    pub(crate) duration_ms: Option<f64>,
}

impl Record {
    /// One line that says how it ended.
    pub(crate) fn end(&self) -> String {
        let took = self.duration_ms.map(|ms| format!(" in {}", seconds(ms))).unwrap_or_default();
        let calls = if self.spent.calls == 1 { "model call" } else { "model calls" };
        let confidence = self.outcome.as_ref().and_then(|outcome| outcome.confidence);
        let confidence = confidence.map(|confidence| format!(", confidence {confidence:.2}")).unwrap_or_default();
        format!("{} {}{took}: {} {calls}, {}{confidence}", self.id, self.status, self.spent.calls, self.spent.cost)
    }

    /// Why there is no outcome; none where there is one, or none yet.
    pub(crate) fn failure(&self) -> Option<String> {
        let failure = self.failure.as_ref()?;
        let fault = failure.fault.as_ref().map(|fault| format!(", fault: {fault}")).unwrap_or_default();
        Some(format!(
            "{}\n  blame: {}{fault}\n  what happened: sophia debug timeline {}",
            failure.detail.as_deref().unwrap_or("no reason is known"),
            failure.blame.as_deref().unwrap_or("unknown"),
            self.id,
        ))
    }
}

impl Event {
    /// Whether nothing follows.
    pub(crate) fn is_last(&self) -> bool {
        self.kind == "swarm_end"
    }

    /// A line: when, what, who, how long, how much. Times count from `began`.
    pub(crate) fn line(&self, began: Option<Timestamp>) -> String {
        let since = match (self.at, began) {
            (Some(at), Some(began)) => at.duration_since(began).as_secs_f64() * 1_000.0,
            _ => 0.0,
        };
        let indent = match (&self.agent, self.kind.as_str()) {
            (_, "swarm_start" | "swarm_end") => "",
            (None, _) => "  ",
            (Some(_), "agent_start" | "agent_end") => "  ",
            (Some(_), _) => "    ",
        };
        let mut line = format!("{:>9}  {indent}{}", seconds(since), self.kind);
        let who = self.role.as_ref().map(|role| match &self.agent {
            Some(agent) => format!("{role} ({agent})"),
            None => role.clone(),
        });
        let said = self.content.as_deref().map(clipped);
        for part in [who.as_deref(), self.model.as_deref(), said.as_deref()].into_iter().flatten() {
            line.push_str("  ");
            line.push_str(part);
        }
        let figures = [
            self.duration_ms.map(seconds),
            self.tokens.map(|tokens| format!("{tokens} tokens")),
            self.cost.as_ref().map(Amount::to_string),
        ];
        let figures: Vec<String> = figures.into_iter().flatten().collect();
        if !figures.is_empty() {
            line.push_str(&format!("  [{}]", figures.join(", ")));
        }
        line
    }
}

/// The beginning of a text, so that a line stays one on most terminals. `--json` has all of it.
fn clipped(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Milliseconds as seconds, to the millisecond.
pub(crate) fn seconds(ms: f64) -> String {
    let time = Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default();
    format!("{:.3} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_events_to_people() {
        let event = |value: Value| serde_json::from_value::<Event>(value).unwrap();
        let began = "2026-01-01T00:00:00Z".parse().ok();
        let lines = [
            json!({"seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "swarm_start", "content": "x".repeat(200)}),
            json!({"seq": 2, "at": "2026-01-01T00:00:00.5Z", "kind": "agent_start", "agent": "0.1", "role": "critic"}),
            json!({"seq": 3, "at": "2026-01-01T00:00:02Z", "kind": "agent_message", "agent": "0.1", "role": "critic",
                "model": "smol", "content": "no", "duration_ms": 1_500.0}),
            json!({"seq": 4, "at": "2026-01-01T00:00:02Z", "kind": "cost_update", "agent": "0.1", "role": "critic",
                "tokens": 14, "cost": {"micro_usd": 17, "usd": "$0.000017"}}),
        ];
        let text: Vec<String> = lines.into_iter().map(|value| format!("|{}", event(value).line(began))).collect();
        expect![[r#"
            |  0.000 s  swarm_start  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
            |  0.500 s    agent_start  critic (0.1)
            |  2.000 s      agent_message  critic (0.1)  smol  no  [1.500 s]
            |  2.000 s      cost_update  critic (0.1)  [14 tokens, $0.000017]"#]]
        .assert_eq(&text.join("\n"));
    }
}
