use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::step::{Took, quiet_step};

/// What happened, in order.
#[derive(Debug, Default)]
pub(super) struct Story {
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
struct Event {
    step: String,
    happened: String,
    #[serde(rename = "ms", serialize_with = "as_millis")]
    took: Duration,
}

impl Story {
    /// Does a step with a turning wheel beside it. The step says what came of it.
    pub(super) fn step<T>(&mut self, title: &str, work: impl FnOnce(&mut dyn FnMut(String)) -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let mut happened = String::new();
        let done = quiet_step(title, |wheel| {
            work(&mut |text| {
                wheel.set_message(format!("{title}: {text}"));
                happened = text;
            })
        })?;
        self.events.push(Event { step: title.to_owned(), happened, took: start.elapsed() });
        Ok(done)
    }

    /// The table, or one JSON object a line.
    pub(super) fn tell(&self, as_json: bool) -> Result<()> {
        if as_json {
            for event in &self.events {
                println!("{}", serde_json::to_string(event)?);
            }
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["STEP", "WHAT HAPPENED", "TOOK"]);
        for Event { step, happened, took } in &self.events {
            table.add_row([step.as_str(), happened, &Took(*took).to_string()]);
        }
        println!("\n{}", table.trim_fmt());
        Ok(())
    }
}

fn as_millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}
