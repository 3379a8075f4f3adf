use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, Uri, body::Incoming, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// Where chats are sent, and how. Cheap to clone; the clones share their connections.
#[derive(Clone)]
pub(crate) struct Target {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    key: String,
    model: String,
}

impl Target {
    /// `url` is the base, up to and with `/v1`.
    pub(crate) fn new(url: &str, key: &str, model: &str) -> Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let uri = format!("{url}/chat/completions").parse().context("no URL")?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, uri, key: key.to_owned(), model: model.to_owned() })
    }

    /// The head of an answer, which must be a success.
    pub(crate) async fn ask(&self, is_streamed: bool) -> Result<Response<Incoming>> {
        let body = serde_json::json!({
            "model": self.model, "stream": is_streamed, "max_tokens": 64,
            "messages": [{"role": "user", "content": "How much is the fish? Answer in one sentence, please."}],
        });
        let request = Request::post(self.uri.clone())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let response = self.client.request(request).await?;
        ensure!(response.status() == 200, "{}", response.status());
        Ok(response)
    }
}
