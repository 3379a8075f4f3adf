//! A connector whose action `fetch` sends a request that the caller describes, and tells what came.

use serde::{Deserialize, Serialize};
use sophia_sdk::{Connector, Description, Error, Json, Operation, http};

struct Fetcher;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    credential: Option<String>,
}

#[derive(Serialize)]
struct Came {
    status: u16,
    you_sent: Option<String>,
    body: String,
}

impl Connector for Fetcher {
    fn describe() -> Description {
        let fetch = Operation { name: "fetch", summary: "Sends a request.", ..Operation::default() };
        Description { title: "Fetcher", operations: vec![fetch], ..Description::default() }
    }

    fn act(action: &str, arguments: Json) -> Result<Json, Error> {
        match action {
            "fetch" => fetch(arguments.parse()?),
            _ => Err(Error::no_action(action)),
        }
    }
}

fn fetch(wanted: Wanted) -> Result<Json, Error> {
    let mut request = http::Request::new(wanted.method.as_deref().unwrap_or("GET"), wanted.url);
    for (name, value) in wanted.headers {
        request = request.header(&name, value);
    }
    if let Some(body) = wanted.body {
        request = request.body(body);
    }
    if let Some(credential) = wanted.credential {
        request = request.credential(&credential);
    }
    let answer = request.send()?;
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    Json::of(&Came { status: answer.status(), you_sent: answer.header("x-you-sent").map(str::to_owned), body })
}

sophia_sdk::connector!(Fetcher);
