//! Upstreams that answer as a test says, on real sockets.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use sophia_standins::{Answer, Seen, Site, Tls};
use sophia_tests::Caller;

/// What the prompt of every test is, as these upstreams count.
pub(crate) const PROMPT: u64 = 11;

/// Tokens of a usual answer.
pub(crate) const OUTPUT: u64 = 3;

/// What a usual chat costs: $1 a million of the prompt, $2 of the answer.
pub(crate) const COST: u64 = PROMPT + 2 * OUTPUT;

/// How an upstream answers a chat now. Counting and embedding go as they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// A status and nothing else.
    Status(u16),
    /// The connection breaks before the answer.
    Reset,
    /// Nothing comes, ever.
    Hang,
    /// Half of the bytes, then the connection breaks.
    Half,
    /// Numbers that cannot be true.
    ImpossibleUsage,
    /// A stream with a piece of text and then an error, under a 200.
    ErrorInStream,
}

/// A running one.
pub(crate) struct Upstream {
    site: Site,
    mood: Arc<Mutex<Mood>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let mood = Arc::new(Mutex::new(Mood::Well));
        let current = mood.clone();
        let answer = move |seen: Seen| {
            let mood = *current.lock().unwrap();
            async move { answer(&seen, mood) }
        };
        Self { site: Site::start(Tls::Off, answer).await.unwrap(), mood }
    }

    pub(crate) fn feels(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// `[[models.upstream]]`: a chat model `smol` of the class `fast` and an embedding model `mini`.
    pub(crate) fn config(&self, name: &str) -> String {
        config(name, &format!("http://{}/v1", self.site.address()))
    }

    /// Chats that it was asked for.
    pub(crate) fn chats(&self) -> Vec<Seen> {
        self.site.seen().into_iter().filter(|seen| seen.uri.path() == "/v1/chat/completions").collect()
    }

    pub(crate) fn forget(&self) {
        self.site.forget();
    }
}

pub(crate) fn config(name: &str, url: &str) -> String {
    format!(
        r#"
        name = "{name}"
        url = "{url}"
        kind = "worker"
        tokenizer = true
        first_token = "1s"
        idle = "1s"
        total = "2s"
        [[model]]
        id = "/weights/smol"
        name = "smol"
        classes = ["fast"]
        context_tokens = 4096
        max_output_tokens = 100
        price = {{ input = "$1", output = "$2" }}
        [[model]]
        id = "/weights/mini"
        name = "mini"
        classes = ["embed"]
        kind = "embedding"
        context_tokens = 256
        price = {{ input = "$1", output = "$2" }}
        "#
    )
}

/// A request for a chat with the class that these upstreams serve.
pub(crate) fn chat(is_streamed: bool) -> Value {
    json!({"model": "fast", "stream": is_streamed, "messages": [{"role": "user", "content": "hello"}]})
}

/// What the tenant was charged, after all that ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Charged {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost: u64,
    pub(crate) estimated: u64,
}

pub(crate) async fn charged(node: &Caller) -> Charged {
    let costs = node.get("/v1/costs?by=tenant").await.expect(200);
    let number = |pointer: &str| costs.pointer(&format!("/costs/0/{pointer}")).and_then(Value::as_u64).unwrap_or(0);
    Charged {
        input: number("input_tokens"),
        output: number("output_tokens"),
        cost: number("cost/micro_usd"),
        estimated: number("estimated/micro_usd"),
    }
}

/// The tenant's budget must hold nothing: no call is under way. Waits for one whose caller left.
pub(crate) async fn assert_nothing_held(node: &Caller) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let budget = node.get("/v1/budgets/tenant").await.expect(200);
        if budget["held"]["micro_usd"] == 0 {
            let part = |name: &str| budget[name]["micro_usd"].as_u64().unwrap();
            assert_eq!(part("spent") + part("left") + part("unreconciled"), part("limit"), "{budget}");
            return;
        }
    }
    panic!("money is held for ever: {}", node.get("/v1/budgets/tenant").await.text());
}

fn answer(seen: &Seen, mood: Mood) -> Answer {
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let is_streamed = body["stream"] == true;
    match (seen.uri.path(), mood) {
        ("/tokenize", _) => json_answer(200, &json!({"count": PROMPT})),
        ("/v1/embeddings", _) => json_answer(200, &embeddings(&body)),
        (_, Mood::Status(status)) => json_answer(status, &json!({"error": {"message": "told to"}})),
        (_, Mood::Reset) => Answer::Reset,
        (_, Mood::Hang) => Answer::Stall,
        (_, Mood::ImpossibleUsage) if is_streamed => {
            events(&usual_events(json!({"prompt_tokens": -7, "completion_tokens": 1e30})))
        }
        (_, Mood::ImpossibleUsage) => json_answer(200, &whole(json!({"prompt_tokens": -7, "completion_tokens": 1e30}))),
        (_, Mood::ErrorInStream) if is_streamed => {
            events(&[delta(&json!({"content": "t0 "})), json!({"error": {"message": "out of memory", "code": 500}})])
        }
        (_, Mood::ErrorInStream) => json_answer(200, &json!({"error": {"message": "out of memory"}})),
        (_, Mood::Half) if is_streamed => half(events(&usual_events(usage()))),
        (_, Mood::Half) => half(json_answer(200, &whole(usage()))),
        (_, Mood::Well) if is_streamed => events(&usual_events(usage())),
        (_, Mood::Well) => json_answer(200, &whole(usage())),
    }
}

fn usage() -> Value {
    json!({"prompt_tokens": PROMPT, "completion_tokens": OUTPUT, "total_tokens": PROMPT + OUTPUT})
}

fn whole(usage: Value) -> Value {
    let message = json!({"role": "assistant", "content": "t0 t1 t2 "});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "/weights/smol", "choices": [choice], "usage": usage})
}

fn usual_events(usage: Value) -> Vec<Value> {
    let mut events = vec![delta(&json!({"role": "assistant", "content": ""}))];
    events.extend((0..OUTPUT).map(|i| delta(&json!({"content": format!("t{i} ")}))));
    events.push(json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
    events.push(json!({"id": "c", "model": "m", "choices": [], "usage": usage}));
    events
}

fn delta(delta: &Value) -> Value {
    json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn embeddings(body: &Value) -> Value {
    let n_texts = body["input"].as_array().map_or(1, Vec::len);
    let data: Vec<Value> =
        (0..n_texts).map(|index| json!({"object": "embedding", "index": index, "embedding": [index, 0.25]})).collect();
    json!({"object": "list", "model": "e", "data": data, "usage": {"prompt_tokens": 5, "total_tokens": 5}})
}

/// Those of a stream that ends as it should.
fn events(events: &[Value]) -> Answer {
    let mut text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    text.push_str("data: [DONE]\n\n");
    let mut response = Response::new(Bytes::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Answer::Whole(response)
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status.try_into().unwrap();
    Answer::Whole(response)
}

fn half(answer: Answer) -> Answer {
    match answer {
        Answer::Whole(response) => Answer::Half(response),
        other => other,
    }
}
