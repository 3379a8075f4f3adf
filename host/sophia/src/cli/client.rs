//! A client of a node. One per command.

use std::time::Duration;

use anyhow::Context;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Body, RequestBuilder, Response, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sophia_domain::ProblemDocument;
use url::Url;

use super::Failure;

/// Time to reach a node. Answers may take as long as the plugin's wall time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Speaks to one node.
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    key: Option<String>,
}

impl Client {
    /// For the node at a URL.
    pub(crate) fn new(server: Url, key: Option<String>) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).build();
        Ok(Self { http: http.context("cannot set up an HTTP client")?, server, key })
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(self.request(Method::GET, path)?).await
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.send(self.request(Method::POST, path)?.json(body)).await
    }

    /// Replaces.
    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.send(self.request(Method::PUT, path)?.json(body)).await
    }

    /// Uploads.
    pub(crate) async fn upload(
        &self,
        path: &str,
        content_type: &str,
        length: u64,
        body: Body,
    ) -> Result<Value, Failure> {
        let request = self.request(Method::PUT, path)?;
        let request = request.header(header::CONTENT_TYPE, content_type).header(header::CONTENT_LENGTH, length);
        self.send(request.body(body)).await
    }

    /// Opens a stream of events, after the one of a number.
    pub(crate) async fn stream(&self, path: &str, after: u64) -> Result<Response, Failure> {
        let request = self.request(Method::GET, path)?.header("last-event-id", after);
        let unreachable = |source| Failure::Unreachable { server: self.server.to_string(), source };
        let response = request.send().await.map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let refused = || anyhow::anyhow!("the node answered without events").into();
        Err(read(response).await.err().unwrap_or_else(refused))
    }

    /// Removes.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path)?).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let url = self.server.join(path).context("the server's URL cannot have a path below it")?;
        let request = self.http.request(method, url);
        Ok(match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let unreachable = |source| Failure::Unreachable { server: self.server.to_string(), source };
        read(request.send().await.map_err(unreachable)?).await
    }
}

/// A name as a part of a path or a query.
pub(crate) fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// How the routes of models refuse.
#[derive(Deserialize)]
struct OpenAiError {
    error: OpenAiRefusal,
}

#[derive(Deserialize)]
struct OpenAiRefusal {
    message: String,
    code: String,
}

async fn read(response: Response) -> Result<Value, Failure> {
    let status = response.status();
    let body = response.bytes().await.context("the answer broke off")?;
    if status.is_success() {
        let value = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
        return Ok(value.context("the answer is no JSON: is this a node?")?);
    }
    if let Ok(document) = serde_json::from_slice::<ProblemDocument>(&body) {
        return Err(Failure::Refused(Box::new(document)));
    }
    match serde_json::from_slice::<OpenAiError>(&body) {
        Ok(OpenAiError { error }) => Err(anyhow::anyhow!("{} ({status}, {})", error.message, error.code).into()),
        Err(_) => Err(anyhow::anyhow!("answered {status} without a problem document: is this a node?").into()),
    }
}
