//! Answers about plugins, for people.

use std::fmt;

use serde::Deserialize;
use sophia_registry::{GrantList, PluginEntry, RolledBack, State, Uploaded, VersionEntry};

use crate::cli::show::{short, table};

/// What a plugin logged, as the node shows it.
#[derive(Deserialize)]
pub(super) struct Tail {
    lines: Vec<Line>,
    dropped: u64,
}

#[derive(Deserialize)]
struct Line {
    at: String,
    level: String,
    message: String,
    fields: std::collections::BTreeMap<String, String>,
    request_id: String,
}

pub(super) fn plugins(plugins: &[PluginEntry]) -> String {
    let rows = plugins.iter().map(|entry| {
        [
            entry.name.to_string(),
            entry.world.to_string(),
            state(entry.state).to_owned(),
            entry.version.to_string(),
            short(&entry.digest),
            entry.pending.as_ref().map(short).unwrap_or_default(),
        ]
    });
    table(["NAME", "WORLD", "STATE", "VERSION", "DIGEST", "PENDING"], rows)
}

pub(super) fn versions(versions: &[VersionEntry]) -> String {
    let rows = versions.iter().map(|entry| {
        [
            if entry.active { "*" } else { "" }.to_owned(),
            entry.version.to_string(),
            state(entry.state).to_owned(),
            entry.digest.to_string(),
            entry.size_bytes.to_string(),
            entry.uploaded_at.to_string(),
        ]
    });
    table(["", "VERSION", "STATE", "DIGEST", "BYTES", "UPLOADED"], rows)
}

pub(super) fn grants(grants: &GrantList) -> String {
    let decided = [("granted", &grants.granted), ("declined", &grants.declined), ("undecided", &grants.undecided)];
    let rows = decided.into_iter().flat_map(|(word, asks)| asks.iter().map(move |ask| [word.to_owned(), ask.clone()]));
    table(["DECISION", "ASK"], rows)
}

pub(super) fn rolled_back(back: &RolledBack) -> String {
    format!("{} answers in version {} ({})", back.name, back.version, short(&back.digest))
}

pub(super) fn uploaded(uploaded: &Uploaded) -> String {
    let mut text = format!(
        "{} {} ({}, {}) is {}\n",
        uploaded.name,
        uploaded.version,
        uploaded.world,
        short(&uploaded.digest),
        state(uploaded.state)
    );
    for ask in &uploaded.added {
        let note = if uploaded.ungranted.contains(ask) { "  (not granted)" } else { "" };
        text.push_str(&format!("  + {ask}{note}\n"));
    }
    uploaded.removed.iter().for_each(|ask| text.push_str(&format!("  - {ask}\n")));
    for ask in uploaded.ungranted.iter().filter(|ask| !uploaded.added.contains(ask)) {
        text.push_str(&format!("    {ask}  (not granted)\n"));
    }
    let rows = uploaded.steps.iter().map(|step| {
        let note = step.note.clone().unwrap_or_default();
        [step.step.as_str().to_owned(), format!("{:.2} ms", step.ms), note]
    });
    for line in table(["STEP", "TIME", ""], rows).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!("next: {}", uploaded.next));
    text
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped > 0 {
            writeln!(f, "({} older lines are gone)", self.dropped)?;
        }
        for line in &self.lines {
            write!(f, "{} {:5} {}", line.at, line.level.to_uppercase(), line.message)?;
            for (key, value) in &line.fields {
                write!(f, " {key}={value}")?;
            }
            writeln!(f, " request_id={}", line.request_id)?;
        }
        Ok(())
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::Ready => "ready",
        State::Pending => "pending",
        State::Failed => "failed",
    }
}
