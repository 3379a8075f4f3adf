//! A worker to speak to, and the words to do so.

use std::{
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, OnceLock, Weak},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use ureq::{Agent, http::Response};

/// The binary under test.
pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_sophia-worker");
pub(crate) const CHAT: &str = "smollm2-135m-instruct";
pub(crate) const EMBEDDING: &str = "all-minilm-l6-v2";
/// A shared machine may be slow; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the weights lie, all there.
pub(crate) fn models() -> &'static Path {
    static MODELS: OnceLock<PathBuf> = OnceLock::new();
    MODELS.get_or_init(|| {
        let beside_build = || Path::new(WORKER).ancestors().nth(2).unwrap().join("models");
        let models = std::env::var_os("SOPHIA_MODELS").map_or_else(beside_build, PathBuf::from);
        let pulled = Command::new(WORKER).arg("pull").arg("--models").arg(&models).status().unwrap();
        assert!(pulled.success(), "the weights cannot be fetched");
        models
    })
}

/// A process that serves, ended with this value.
pub(crate) struct Worker {
    process: Child,
    agent: Agent,
    url: String,
    _stdout: BufReader<ChildStdout>,
}

impl Worker {
    /// The one that tests share which leave it as it was. Ends with the last of them.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Worker>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let worker = Arc::new(Self::start(&[]));
            *shared = Arc::downgrade(&worker);
            worker
        })
    }

    /// One for a test of its own.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut process = Command::new(WORKER)
            .args(["serve", "--listen", "127.0.0.1:0", "--models"])
            .arg(models())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("sophia-worker listening on ").expect("no address").to_owned();
        let agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        Self { process, agent, url, _stdout: stdout }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        read(self.agent.get(format!("{}{path}", self.url)).call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.send(path, &body.to_string()))
    }

    /// A text that need not be JSON.
    pub(crate) fn post_text(&self, path: &str, body: &str) -> (u16, Value) {
        read(self.send(path, body))
    }

    pub(crate) fn send(&self, path: &str, body: &str) -> Response<ureq::Body> {
        let request = self.agent.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        request.send(body).unwrap()
    }

    /// A whole answer.
    pub(crate) fn chat(&self, fields: Value) -> Value {
        let (status, answer) = self.post("/v1/chat/completions", &chat_body(fields));
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// An answer as a stream.
    pub(crate) fn stream(&self, fields: Value) -> Frames {
        let mut body = chat_body(fields);
        body["stream"] = json!(true);
        let response = self.send("/v1/chat/completions", &body.to_string());
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Frames(BufReader::new(response.into_body().into_reader()).lines())
    }

    pub(crate) fn tokenize(&self, body: Value) -> Vec<u64> {
        let (status, answer) = self.post("/tokenize", &body);
        assert_eq!(status, 200, "{answer}");
        let tokens: Vec<u64> = serde_json::from_value(answer["tokens"].clone()).unwrap();
        assert_eq!(answer["count"], tokens.len());
        tokens
    }

    /// What /health says of a model, once it is as expected.
    pub(crate) fn wait_for(&self, running: u64, waiting: u64) {
        let began = Instant::now();
        loop {
            let (_, health) = self.get("/health");
            let load = &health["models"][0];
            if load["running"] == running && load["waiting"] == waiting {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "still {load}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// The exit code of a worker that was told to stop.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The events of a stream, without `[DONE]`, which must be the last. Dropping it leaves.
pub(crate) struct Frames(Lines<BufReader<ureq::BodyReader<'static>>>);

impl Iterator for Frames {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let line = self.0.next().expect("the stream has no [DONE]").unwrap();
        let event = line.strip_prefix("data: ").unwrap_or_else(|| panic!("no event: {line}"));
        assert_eq!(self.0.next().unwrap().unwrap(), "");
        if event != "[DONE]" {
            return Some(serde_json::from_str(event).unwrap());
        }
        assert!(self.0.next().is_none(), "[DONE] is not the last event");
        None
    }
}

/// The text of a stream's pieces.
pub(crate) fn streamed_text(frames: &[Value]) -> String {
    frames.iter().filter_map(|frame| frame["choices"][0]["delta"]["content"].as_str()).collect()
}

/// The text of a whole answer.
pub(crate) fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

pub(crate) fn user(content: &str) -> Value {
    json!([{ "role": "user", "content": content }])
}

pub(crate) fn chat_body(fields: Value) -> Value {
    let mut body = json!({ "model": CHAT, "messages": user("Tell me a story about the sea."), "max_tokens": 48 });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn read(mut response: Response<ureq::Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
