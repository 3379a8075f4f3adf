//! The demo's second half: a chat, a review by a swarm, and what both came to.

#![expect(clippy::indexing_slicing, reason = "of JSON: what is not there is null, and the step says so")]
use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{
    Stage, diff,
    steps::{list, text},
    story::Story,
};
use crate::command::Run as _;

/// The worker as the operator names it. Its prices are an operator's choice; these are about what
/// an hour of two cores costs.
pub(super) fn config(url: &str) -> String {
    format!(
        r#"
[models]
policy = "cost-aware"

[[models.upstream]]
name = "worker"
url = "{url}/v1"
kind = "worker"
tokenizer = true

[[models.upstream.model]]
id = "smollm2-135m-instruct"
classes = ["fast", "quality"]
context_tokens = 2048
max_output_tokens = 256
price = {{ input = "$0.02", output = "$0.40" }}

[[models.upstream.model]]
id = "all-minilm-l6-v2"
kind = "embedding"
classes = ["embed"]
context_tokens = 256
price = {{ input = "$0.01", output = "$0" }}
"#
    )
}

/// A chat as any client of OpenAI's API would send it; the granted policy decides who answers.
pub(super) fn chat(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("chat with a model", |says| {
        let system = json!({ "role": "system", "content": "You are a helpful assistant." });
        let question = json!({ "role": "user", "content": "What is the capital of France?" });
        let chat = json!({ "model": "fast", "messages": [system, question], "max_tokens": 24, "temperature": 0 });
        let answer = stage.node.post("/v1/chat/completions", &chat)?.ok()?;
        let (said, n_tokens) = (text(&answer["choices"][0]["message"]["content"]), &answer["usage"]["total_tokens"]);
        says(format!("{said:?}, {n_tokens} tokens"));
        Ok(())
    })
}

/// Five agents read what the last commit changed, as much of it as a small model can read soon.
pub(super) fn review(stage: &Stage, story: &mut Story) -> Result<()> {
    /// So that whoever watches sees each event soon.
    const LOOK: Duration = Duration::from_millis(250);
    let Some((title, diff)) = diff::last_commit(&stage.root)? else {
        return story.step("review the last commit", |says| {
            says("skipped: this is no git checkout with a commit that changes text".to_owned());
            Ok(())
        });
    };
    let id = story.step("review the last commit", |says| {
        let arguments = json!({ "diff": diff, "title": title, "token_budget": 600, "max_chunks": 2 });
        let task = json!({ "arguments": arguments, "budget": "$0.05" });
        let run = stage.node.post("/v1/swarms/code-review/runs", &task)?.ok()?;
        let id = text(&run["id"]).to_owned();
        let run = loop {
            stage.processes.go_on()?;
            let run = stage.node.get(&format!("/v1/runs/{id}"))?.ok()?;
            let timeline = stage.node.get(&format!("/v1/runs/{id}/timeline"))?.ok()?;
            if run["status"] != "running" {
                break run;
            }
            says(progress(&timeline));
            thread::sleep(LOOK);
        };
        ensure!(run["status"] == "succeeded", "the review {}: {}", run["status"], run["failure"]);
        let (report, spent) = (&run["outcome"]["content"], &run["spent"]);
        says(format!(
            "{}, {} findings in {} chunks; {} calls of a model, {} tokens, {}",
            text(&report["verdict"]),
            list(&report["findings"]).len(),
            report["chunks"],
            spent["calls"],
            sum(&spent["tokens"]["input"], &spent["tokens"]["output"]),
            text(&spent["cost"]["usd"]),
        ));
        Ok(id)
    })?;
    show(&stage.people(&["debug", "timeline", &id]).read()?);
    Ok(())
}

/// What all of it came to, from the ledger.
pub(super) fn costs(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("sum up what models cost", |says| {
        let report = stage.answer(&["cost", "report", "--by", "plugin", "--by", "model"])?;
        says(format!("{} in all", text(&report["total"]["usd"])));
        Ok(())
    })?;
    show(&stage.people(&["cost", "report", "--by", "plugin", "--by", "model"]).read()?);
    Ok(())
}

/// Who is at work, and what it came to so far.
fn progress(timeline: &Value) -> String {
    let events = list(&timeline["events"]);
    let of = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
    let last = events.iter().rev().find(|event| event["kind"] == "agent_start");
    let role = last.map_or("agents", |event| text(&event["role"]));
    let summary = &timeline["summary"];
    let spent = format!("{} tokens, {}", summary["tokens"], text(&summary["cost"]["usd"]));
    format!("{role}, {} of {} agents done, {spent}", of("agent_end"), of("agent_start"))
}

fn sum(a: &Value, b: &Value) -> u64 {
    a.as_u64().unwrap_or_default() + b.as_u64().unwrap_or_default()
}

fn show(text: &str) {
    for line in text.lines() {
        eprintln!("    {line}");
    }
}
