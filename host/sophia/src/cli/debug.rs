//! `sophia debug`: what happened, in detail.

use std::io::Write;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Failure,
    client::{Client, segment},
    events::Events,
    run_view::{Event, Record},
    show::{Amount, Show},
};

#[derive(Debug, Subcommand)]
pub(crate) enum DebugCommand {
    /// Show what happened in a run, in order
    #[command(after_help = EXAMPLES)]
    Timeline {
        /// The run
        run: String,
        /// Go on as events come, until the run ends
        #[arg(long)]
        follow: bool,
    },
}

const EXAMPLES: &str = "Examples:
  sophia debug timeline run-0123456789abcdef0123
  sophia debug timeline run-0123456789abcdef0123 --follow
  sophia debug timeline run-0123456789abcdef0123 --json | jq '.events[] | select(.kind == \"error\")'";

#[derive(Deserialize)]
struct Timeline {
    run: Record,
    summary: Summary,
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Summary {
    events: u64,
    cost: Amount,
    tokens: u64,
    errors: u64,
    roles: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    role: String,
    messages: u64,
    cost: Amount,
    tokens: u64,
}

pub(super) async fn run(command: DebugCommand, client: &Client, show: Show) -> Result<(), Failure> {
    let DebugCommand::Timeline { run, follow } = command;
    if follow {
        return watch(client, &run, show).await;
    }
    show.answer(all(client, &run).await?, |timeline: Timeline| text(&timeline))
}

/// All pages as one.
async fn all(client: &Client, run: &str) -> Result<Value, Failure> {
    let path = format!("/v1/runs/{}/timeline", segment(run));
    let mut whole = client.get(&path).await?;
    while let Some(next) = whole.get("next").and_then(Value::as_u64) {
        let mut page = client.get(&format!("{path}?after={next}")).await?;
        let more = page.get_mut("events").map(Value::take);
        if let (Some(Value::Array(events)), Some(Value::Array(more))) = (whole.get_mut("events"), more) {
            events.extend(more);
        }
        if let Value::Object(members) = &mut whole {
            members.insert("next".to_owned(), page.get("next").cloned().unwrap_or_default());
        }
    }
    Ok(whole)
}

async fn watch(client: &Client, run: &str, show: Show) -> Result<(), Failure> {
    let mut events = Events::of(client, run);
    let mut began = None;
    while let Some((value, event)) = events.next().await? {
        began = began.or(event.at);
        let line = match show {
            Show::Json => value.to_string(),
            Show::Text => event.line(began),
        };
        match writeln!(std::io::stdout().lock(), "{line}") {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}

fn text(timeline: &Timeline) -> String {
    let began = timeline.events.first().and_then(|event| event.at);
    let mut lines: Vec<String> = timeline.events.iter().map(|event| event.line(began)).collect();
    let Summary { events, cost, tokens, errors, roles } = &timeline.summary;
    lines.push(String::new());
    lines.push(format!("{}\n{events} events, {errors} errors, {tokens} tokens, {cost}", timeline.run.end()));
    lines.extend(
        roles
            .iter()
            .map(|role| format!("  {}: {} messages, {} tokens, {}", role.role, role.messages, role.tokens, role.cost)),
    );
    lines.join("\n")
}
