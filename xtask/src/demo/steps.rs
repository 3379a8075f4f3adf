//! What the demo does, step by step.

#![expect(clippy::indexing_slicing, reason = "of JSON: what is not there is null, and the step says so")]
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Stage, models, second, story::Story, traffic::Traffic};
use crate::command::{Run as _, shown};

/// What `sophia plugin push` ends with when a version waits for its grant.
const PENDING: i32 = 4;
const STREAMS: [&str; 4] = ["contacts", "companies", "deals", "owners"];

/// The demo in the order in which an operator would do it.
pub(super) fn play(stage: &Stage, story: &mut Story) -> Result<()> {
    let acts: [fn(&Stage, &mut Story) -> Result<()>; 13] = [
        upload,
        refuse_a_host,
        grant,
        connect,
        refuse_a_secret,
        read,
        act,
        ask_the_policy,
        call_the_endpoint,
        swap_under_traffic,
        models::chat,
        models::review,
        models::costs,
    ];
    acts.iter().try_for_each(|act| {
        stage.processes.go_on()?;
        act(stage, story)
    })
}

fn upload(stage: &Stage, story: &mut Story) -> Result<()> {
    for name in super::PLUGINS {
        story.step(&format!("upload {name}"), |says| {
            let file = stage.guests.join(format!("{name}.wasm"));
            let kb = fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?.len() / 1000;
            let uploaded = stage.push(&file)?;
            let compile = step_ms(&uploaded, "compile");
            let state = uploaded["state"].as_str().unwrap_or_default();
            let waiting = match len(&uploaded["ungranted"]) {
                0 => "live".to_owned(),
                n => format!("{state}, {n} asks to grant"),
            };
            says(format!("{kb} kB, compiled in {compile} ms in a child process, {waiting}"));
            Ok(())
        })?;
    }
    Ok(())
}

/// Everything is granted but the way out: the connector runs, and reaches nobody.
fn refuse_a_host(stage: &Stage, story: &mut Story) -> Result<()> {
    let problem = story.step("refused: a host that was not granted", |says| {
        let asks = stage.node.get("/v1/plugins/hubspot/grants")?.ok()?;
        let is_harmless = |ask: &&Value| ask.as_str().is_some_and(|ask| !ask.starts_with("egress "));
        let only: Vec<_> = list(&asks["undecided"]).iter().filter(is_harmless).cloned().collect();
        stage.node.post("/v1/plugins/hubspot/grants", &json!({ "only": only }))?.ok()?;
        stage.set_secret("hubspot-token", "https://api.hubapi.com/*")?;
        stage.connect("demo", "hubspot-token")?;
        let problem = stage.node.post("/v1/connectors/hubspot/demo/check", &json!({}))?.problem()?;
        says(in_short(&problem));
        Ok(problem)
    })?;
    show(&problem)
}

fn grant(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("grant what they ask for", |says| {
        let mut n_granted = 0;
        for name in super::PLUGINS {
            stage.answer(&["plugin", "grant", name])?;
            n_granted += len(&stage.node.get(&format!("/v1/plugins/{name}/grants"))?.ok()?["granted"]);
        }
        says(format!("{n_granted} asks of {} plugins", super::PLUGINS.len()));
        Ok(())
    })
}

fn connect(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("check the connection", |says| {
        stage.answer(&["connector", "check", "hubspot", "demo"])?;
        says("HubSpot accepts the token, which was added outside the sandbox".to_owned());
        Ok(())
    })
}

/// The same connector on a connection whose secret was never meant for HubSpot.
fn refuse_a_secret(stage: &Stage, story: &mut Story) -> Result<()> {
    let problem = story.step("refused: a secret that was not granted there", |says| {
        stage.set_secret("for-another-host", "https://api.example.com/*")?;
        stage.connect("wrong", "for-another-host")?;
        let problem = stage.node.post("/v1/connectors/hubspot/wrong/check", &json!({}))?.problem()?;
        says(in_short(&problem));
        Ok(problem)
    })?;
    show(&problem)
}

fn read(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("read HubSpot, page by page", |says| {
        let (mut counts, mut n_pages) = (Vec::new(), 0);
        for stream in STREAMS {
            let mut ids = BTreeSet::new();
            let mut cursor = None;
            loop {
                let page = stage.page(stream, cursor.as_deref())?;
                n_pages += 1;
                ids.extend(list(&page["items"]).iter().map(|item| item["id"].to_string()));
                says(format!("{} {stream} so far, {n_pages} pages", ids.len()));
                if page["more"] != true {
                    break;
                }
                cursor = Some(page["next"].to_string());
            }
            counts.push(format!("{} {stream}", ids.len()));
        }
        says(format!("{}, in {n_pages} pages", counts.join(", ")));
        Ok(())
    })
}

fn act(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("create a contact", |says| {
        let properties = json!({ "email": "ada@example.com", "firstname": "Ada", "lastname": "Lovelace" });
        let arguments = json!({ "properties": properties }).to_string();
        let created = stage.answer(&["connector", "act", "hubspot", "demo", "create-contact", &arguments])?;
        says(format!("HubSpot gave it the id {}", created["id"]));
        Ok(())
    })
}

fn ask_the_policy(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("ask the policy where a request goes", |says| {
        let candidate = |id: &str, latency_ms: u32, input: u32, output: u32| {
            json!({ "id": id, "model": id, "health": "healthy", "latency_ms": latency_ms, "queue": 0,
                    "input_price_micro_usd": input, "output_price_micro_usd": output })
        };
        let request = json!({ "class": "fast", "input_tokens": 900, "max_output_tokens": 200, "streamed": false });
        let candidates = [candidate("large", 300, 3_000_000, 15_000_000), candidate("small", 90, 100_000, 400_000)];
        let question = json!({ "request": request, "candidates": candidates }).to_string();
        let answer = stage.answer(&["policy", "ask", "cost-aware", &question])?;
        says(format!("decides {}", answer["decision"]));
        Ok(())
    })
}

fn call_the_endpoint(stage: &Stage, story: &mut Story) -> Result<()> {
    story.step("call the endpoint", |says| {
        let answer = stage.node.get("/x/hello/")?;
        ensure!(answer.status == 200, "hello answered {}", answer.status);
        says(format!("{:?}", String::from_utf8_lossy(&answer.body).trim()));
        Ok(())
    })
}

/// Another version goes live and is taken back, while callers do not pause.
fn swap_under_traffic(stage: &Stage, story: &mut Story) -> Result<()> {
    /// Time with one version, so that there is traffic before, between and after.
    const A_WHILE: Duration = Duration::from_millis(700);
    let file = stage.dir.path().join("hello.wasm");
    fs::write(&file, second::version(&fs::read(stage.guests.join("hello.wasm"))?)?)?;
    let seen = story.step("swap a version under traffic, and roll back", |says| {
        let traffic = Traffic::start(&stage.node, "/x/hello/");
        thread::sleep(A_WHILE);
        let pushed = stage.push(&file)?;
        ensure!(pushed["state"] == "live", "the second version is {}", pushed["state"]);
        thread::sleep(A_WHILE);
        let back = stage.answer(&["plugin", "rollback", "hello"])?;
        thread::sleep(A_WHILE);
        let seen = traffic.stop()?;
        says(format!("{} and back to {}: {seen}", text(&pushed["version"]), text(&back["version"])));
        Ok(seen)
    })?;
    ensure!(seen.n_failed == 0, "{} requests failed while versions were swapped", seen.n_failed);
    Ok(())
}

impl Stage {
    /// What a command of the `sophia` command line answered.
    pub(super) fn answer(&self, args: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.sophia(args).read()?)?)
    }

    /// Uploads a file. Pending is no failure here.
    fn push(&self, file: &std::path::Path) -> Result<Value> {
        let mut command = self.sophia(&["plugin", "push"]);
        let output = command.arg(file).stdin(Stdio::null()).output()?;
        let is_done = output.status.success() || output.status.code() == Some(PENDING);
        ensure!(is_done, "`{}` failed: {}", shown(&command), String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Keeps the token under a name, for one scope. The value goes by stdin, never as an argument.
    fn set_secret(&self, name: &str, scope: &str) -> Result<()> {
        let mut command: Command = self.sophia(&["secret", "set", name, "--scope", scope]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.token.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "`{}` failed: {}", shown(&command), String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn connect(&self, name: &str, secret: &str) -> Result<Value> {
        self.answer(&["connection", "set", "hubspot", name, "--credential", &format!("hubspot={secret}")])
    }

    fn page(&self, stream: &str, cursor: Option<&str>) -> Result<Value> {
        let args = ["connector", "read", "hubspot", "demo", stream, "--limit", "100"];
        match cursor {
            None => self.answer(&args),
            Some(cursor) => self.answer(&[args.as_slice(), &["--cursor", cursor]].concat()),
        }
    }
}

/// A problem document in one line, for the table.
fn in_short(problem: &Value) -> String {
    format!("{} {}", problem["status"], text(&problem["title"]))
}

/// The whole problem document, as the caller got it.
fn show(problem: &Value) -> Result<()> {
    for line in serde_json::to_string_pretty(problem)?.lines() {
        eprintln!("    {line}");
    }
    Ok(())
}

fn step_ms(uploaded: &Value, name: &str) -> u64 {
    let step = list(&uploaded["steps"]).iter().find(|step| step["step"] == name);
    step.and_then(|step| step["ms"].as_f64()).map_or(0, |ms| ms.round() as u64)
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn len(value: &Value) -> usize {
    list(value).len()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
