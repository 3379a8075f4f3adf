//! What a command prints: the node's answer as JSON, or what a person wants of it.

use std::{fmt, io::Write};

use anyhow::Context;
use comfy_table::{Table, presets};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::Failure;

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// Money, as answers have it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Amount {
    usd: String,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.usd)
    }
}

impl Show {
    /// As `--json` says.
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints an answer, for people in the words of `text`.
    pub(crate) fn answer<T: DeserializeOwned>(
        self,
        answer: Value,
        text: impl FnOnce(T) -> String,
    ) -> Result<(), Failure> {
        match self {
            Self::Json => self.json(&answer),
            Self::Text => {
                let answer =
                    serde_json::from_value(answer).context("the answer is of another version than this client")?;
                print(&text(answer))
            }
        }
    }

    /// Prints an answer that has the same form for all.
    pub(crate) fn json(self, answer: &Value) -> Result<(), Failure> {
        let text = match self {
            Self::Json => serde_json::to_string(answer),
            Self::Text => serde_json::to_string_pretty(answer),
        };
        print(&text.context("the answer cannot be written")?)
    }

    /// Says that something was done, to people.
    pub(crate) fn done(self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Text => print(text),
            Self::Json => print("{}"),
        }
    }
}

/// A table without lines, which reads well and greps well.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// `sha256:` and the first 12 digits: enough to tell versions apart.
pub(crate) fn short(digest: &sophia_domain::Digest) -> String {
    digest.to_string().chars().take("sha256:".len() + 12).collect()
}

/// A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
