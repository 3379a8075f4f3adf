//! Finding a `sophia-worker` at an address, and what it serves.
//!
//! It is one if its `server` header says so, and if each model that it lists says what it makes
//! and how much it reads. So whatever else listens on that port gets one GET, and no prompt.

use std::{str::FromStr, time::Duration};

use http::{HeaderMap, Method, header};
use serde::Deserialize;
use sophia_egress::{Egress, Outbound, OutboundBody, Redirects, Rights};

use crate::{
    Config, ModelKind, RawConfig, RawModel, RawPrice, RawUpstream, UpstreamKind, UsageReports,
    base::Base,
    config::{default_first_token, default_idle, default_total},
};

/// Where a worker is looked for. Read once at boot.
#[derive(Debug, Clone)]
pub struct WorkerUrl(Base);

/// A URL that cannot be a worker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write an http or https URL without user, query and fragment, such as `http://127.0.0.1:8081`")]
pub struct NotAWorkerUrl;

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWorker {
    /// Nothing answers.
    #[error("nothing answers there")]
    Silent,
    /// Something else does.
    #[error("what answers there is no sophia-worker of this release")]
    Other,
}

#[derive(Deserialize)]
struct Listed {
    data: Vec<ListedModel>,
}

/// As `sophia-worker` lists a model; OpenAI's own fields are of no use here.
#[derive(Deserialize)]
struct ListedModel {
    id: String,
    kind: ModelKind,
    max_model_len: u64,
}

/// Its name in candidates, the ledger and errors.
const NAME: &str = "worker";

/// What its `server` header begins with.
const PRODUCT: &str = "sophia-worker/";

/// A worker that is there answers from memory.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A list of a few models has some hundred bytes.
const MAX_LIST: u64 = 64 << 10;

impl WorkerUrl {
    /// `host:port`, which must be among the `named` of the egress for models.
    pub fn address(&self) -> &str {
        self.0.address()
    }
}

impl FromStr for WorkerUrl {
    type Err = NotAWorkerUrl;

    /// With or without the `/v1` at its end.
    fn from_str(text: &str) -> Result<Self, NotAWorkerUrl> {
        let root = text.trim_end_matches('/').trim_end_matches("/v1");
        Base::parse(&format!("{root}/v1")).map(Self).ok_or(NotAWorkerUrl)
    }
}

/// What the worker at an address serves: its chat models as `fast` and `quality`, its embedding
/// models as `embed`, for nothing.
pub(crate) async fn look(egress: &Egress, WorkerUrl(base): &WorkerUrl) -> Result<Config, NoWorker> {
    let scope = base.listing().clone();
    let rights = Rights { asked: scope.clone(), granted: scope, credentials: Vec::new() };
    let answer = egress.send_quietly(&rights, listing(base)).await.map_err(|_| NoWorker::Silent)?;
    let says_so = |headers: &HeaderMap| {
        let server = headers.get(header::SERVER).and_then(|server| server.to_str().ok());
        server.is_some_and(|server| server.starts_with(PRODUCT))
    };
    if !answer.status().is_success() || !says_so(answer.headers()) {
        return Err(NoWorker::Other);
    }
    let list = answer.into_body().collect_bounded().await.map_err(|_| NoWorker::Silent)?;
    let listed: Listed = serde_json::from_slice(&list).map_err(|_| NoWorker::Other)?;
    config(base, listed).check().map_err(|_| NoWorker::Other)
}

fn listing(base: &Base) -> Outbound {
    Outbound {
        method: Method::GET,
        url: base.method("models"),
        headers: HeaderMap::new(),
        body: OutboundBody::Empty,
        credential: None,
        redirects: Redirects::Return,
        timeout: TIMEOUT,
        max_request: 0,
        max_response: MAX_LIST,
        traceparent: None,
    }
}

fn config(base: &Base, listed: Listed) -> RawConfig {
    let upstream = RawUpstream {
        name: NAME.to_owned(),
        url: base.url(),
        kind: UpstreamKind::Worker,
        secret: None,
        tokenizer: true,
        usage: UsageReports::End,
        first_token: default_first_token(),
        idle: default_idle(),
        total: default_total(),
        model: listed.data.into_iter().map(RawModel::from).collect(),
    };
    RawConfig { upstream: vec![upstream], ..RawConfig::default() }
}

impl From<ListedModel> for RawModel {
    fn from(ListedModel { id, kind, max_model_len }: ListedModel) -> Self {
        let classes: &[&str] = match kind {
            ModelKind::Chat => &["fast", "quality"],
            ModelKind::Embedding => &["embed"],
        };
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        let price = RawPrice::default();
        Self { id, name: None, classes, kind, context_tokens: max_model_len, max_output_tokens: None, price }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_with_or_without_its_v1() {
        for text in
            ["http://127.0.0.1:8081", "http://127.0.0.1:8081/", "http://127.0.0.1:8081/v1", "http://127.0.0.1:8081/v1/"]
        {
            let WorkerUrl(base) = text.parse().unwrap();
            assert_eq!((base.address(), base.url().as_str()), ("127.0.0.1:8081", "http://127.0.0.1:8081/v1"));
        }
        for text in ["", "127.0.0.1:8081", "ftp://a.example", "http://u@a.example"] {
            assert!(text.parse::<WorkerUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_it_lists_is_served_by_what_it_makes() {
        let list = r#"{"data":[{"id":"c","kind":"chat","max_model_len":4096},{"id":"e","kind":"embedding","max_model_len":256}]}"#;
        let WorkerUrl(base) = "http://127.0.0.1:8081".parse().unwrap();
        let config = config(&base, serde_json::from_str(list).unwrap());
        let [chat, embedding] = config.upstream[0].model.as_slice() else { panic!("{config:?}") };
        assert_eq!(
            (chat.classes.as_slice(), embedding.classes.as_slice()),
            (&["fast".to_owned(), "quality".to_owned()][..], &["embed".to_owned()][..])
        );
        assert!(config.check().is_ok());
        assert!(serde_json::from_str::<Listed>(r#"{"data":[{"id":"gpt-4o","object":"model"}]}"#).is_err());
    }
}
