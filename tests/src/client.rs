use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::Reply;

/// How long one answer may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who talks to a node with a key. Cheap to clone.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Caller {
    pub(crate) fn new(base: &str, key: &str) -> Self {
        // A second installation in a process is refused, and the first is as good.
        let _installed = rustls::crypto::ring::default_provider().install_default().is_ok();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("an HTTP client");
        Self { http, base: base.to_owned(), key: Some(key.to_owned()) }
    }

    /// The same, with another key or with none.
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// The key, where there is one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The node's URL, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Begins a request with the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends a request that must be answered.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        self.try_send(request).await.unwrap_or_else(|e| panic!("no answer: {e:?}"))
    }

    /// Sends a request that may fail to be answered.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        Reply::read(request.send().await?).await
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// Uploads a version.
    pub async fn put_plugin(&self, name: &str, wasm: &[u8]) -> Reply {
        self.send(self.request(Method::PUT, &format!("/v1/plugins/{name}")).body(wasm.to_vec())).await
    }

    /// Grants all that a plugin's pending version asks for.
    pub async fn grant(&self, name: &str) -> Reply {
        self.post(&format!("/v1/plugins/{name}/grants"), json!({})).await
    }

    /// Uploads a version, grants all it asks for and answers its digest. It must be live then.
    pub async fn deploy(&self, name: &str, wasm: &[u8]) -> String {
        let mut reply = self.put_plugin(name, wasm).await;
        if reply.status == 202 {
            reply = self.grant(name).await;
        }
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
        let answer = reply.json();
        assert_eq!(answer["state"], "live", "{answer}");
        answer["digest"].as_str().expect("a digest").to_owned()
    }

    /// Stores a secret that may go where the scope says.
    pub async fn put_secret(&self, name: &str, value: &str, scope: &[&str]) -> Reply {
        self.put(&format!("/v1/secrets/{name}"), json!({"value": value, "scope": scope})).await
    }

    /// Makes a connection; `credentials` binds the manifest's names to secrets.
    pub async fn connect(&self, connector: &str, name: &str, config: Value, credentials: Value) -> Reply {
        let body = json!({"config": config, "credentials": credentials});
        self.put(&format!("/v1/connections/{connector}/{name}"), body).await
    }

    /// Reads one page of a stream.
    pub async fn read(&self, connection: &str, stream: &str, cursor: &Value, limit: u32) -> Reply {
        let body = json!({"stream": stream, "cursor": cursor, "limit": limit});
        self.post(&format!("/v1/connectors/{connection}/read"), body).await
    }

    /// Performs an action.
    pub async fn act(&self, connection: &str, action: &str, arguments: Value) -> Reply {
        self.post(&format!("/v1/connectors/{connection}/actions/{action}"), arguments).await
    }

    /// Tries a connection.
    pub async fn check(&self, connection: &str) -> Reply {
        self.post(&format!("/v1/connectors/{connection}/check"), json!({})).await
    }
}

/// The items of a page that was read.
pub fn page_items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap_or_else(|| panic!("no items in {page}"))
}
