//! A vault with one secret, and requests that differ in one thing.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use sophia_domain::{Scope, SecretName, TenantId};
use sophia_store::Store;
use sophia_vault::{Injection, MasterKey, SecretValue, Vault};
use tempfile::TempDir;

use crate::{Credential, Egress, EgressConfig, EgressError, InboundBody, Outbound, OutboundBody, Redirects, Rights};

pub(super) const SECRET: &str = "pat-na1/5f2a+very-secret";

/// Where credentials come from.
pub(super) struct World {
    pub(super) vault: Vault,
    _dir: TempDir,
}

impl World {
    /// With the secret `vendor`, which the operator lets go anywhere.
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::load_or_create(dir.path(), None).unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let world = Self { vault: Vault::open(store, "development", master).await.unwrap(), _dir: dir };
        world.set("vendor", SECRET, &["http://*:*/*", "https://*:*/*"]).await;
        world
    }

    pub(super) async fn set(&self, name: &str, value: &str, patterns: &[&str]) {
        let value = SecretValue::new(value).unwrap();
        self.vault.set(&TenantId::main(), &name.parse().unwrap(), value, scope(patterns)).await.unwrap();
    }

    /// A credential on the secret `vendor`, used by itself wherever a pattern allows.
    pub(super) fn credential(&self, injection: &str, patterns: &[&str]) -> Credential {
        let secret: SecretName = "vendor".parse().unwrap();
        let injection: Injection = serde_json::from_str(injection).unwrap();
        let injector = self.vault.injector(&TenantId::main(), &secret, &injection);
        Credential { name: "vendor".into(), scope: scope(patterns), auto: true, injector, rate: None }
    }
}

pub(super) const BEARER: &str = r#"{"bearer": true}"#;

pub(super) fn scope(patterns: &[&str]) -> Scope {
    Scope::new(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

/// Both keys for anywhere.
pub(super) fn anywhere(credentials: Vec<Credential>) -> Rights {
    let anywhere = scope(&["http://*:*/*", "https://*:*/*"]);
    Rights { asked: anywhere.clone(), granted: anywhere, credentials }
}

/// An egress that may reach these addresses.
pub(super) fn egress(named: &[SocketAddr]) -> Egress {
    let named = named.iter().map(SocketAddr::to_string).collect();
    Egress::new(EgressConfig { named, ..EgressConfig::default() }).unwrap()
}

/// An egress on which a public name leads to a local server.
pub(super) fn egress_to(name: &str, address: SocketAddr) -> Egress {
    Egress::new(EgressConfig { connect_to: vec![(name.into(), address)], ..EgressConfig::default() }).unwrap()
}

pub(super) fn get(url: impl Into<String>) -> Outbound {
    Outbound {
        method: Method::GET,
        url: url.into(),
        headers: HeaderMap::new(),
        body: OutboundBody::Empty,
        credential: None,
        redirects: Redirects::Follow,
        timeout: Duration::from_secs(20),
        max_request: 1 << 20,
        max_response: 1 << 20,
        traceparent: None,
    }
}

pub(super) fn post(url: impl Into<String>, body: &'static str) -> Outbound {
    Outbound { method: Method::POST, body: OutboundBody::Bytes(Bytes::from_static(body.as_bytes())), ..get(url) }
}

pub(super) fn with(mut outbound: Outbound, name: &'static str, value: &'static str) -> Outbound {
    outbound.headers.append(name, value.parse().unwrap());
    outbound
}

pub(super) async fn body(answer: Result<Response<InboundBody>, EgressError>) -> Result<String, EgressError> {
    let bytes = answer?.into_body().collect_bounded().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
