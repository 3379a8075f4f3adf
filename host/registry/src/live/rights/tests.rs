use sophia_domain::{Digest, TenantId, World};
use sophia_sandbox::Surface;
use sophia_store::{Decision, GrantRow, Store};
use sophia_vault::{Algorithm, MasterKey};

use super::*;
use crate::Manifest;

const ASKS: &str = r#"
[egress]
allow = ["GET https://a.example/v1/*", "POST https://a.example/v1/*"]
[credentials.token]
scope = ["https://a.example/*"]
inject = { bearer = true }
auto = true
[credentials.other]
scope = ["https://b.example/*"]
inject = { bearer = true }
[rate.token]
requests = "1/1h"
[signatures.webhook]
algorithms = ["hmac-sha256"]
[config]
keys = ["sync.*", "region"]
"#;

const TOKEN: &str = "credential token https://a.example/* bearer auto";
const OTHER: &str = "credential other https://b.example/* bearer";

fn version(world: World, sections: &str) -> Version {
    let about = format!("[plugin]\nname = \"x\"\nversion = \"1.0.0\"\nworld = \"{world}\"\n");
    let manifest = Manifest::parse(&format!("{about}{sections}")).unwrap();
    Version {
        tenant: TenantId::main(),
        name: "x".parse().unwrap(),
        digest: Digest::of(b"x"),
        semver: manifest.plugin.version.clone(),
        world,
        surface: Surface {
            world,
            http: None,
            hooks: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            manifest: None,
        },
        manifest,
        description: None,
    }
}

fn grants(granted: &[&str]) -> Grants {
    let row = |ask: &&str| GrantRow { ask: (*ask).to_owned(), decision: Decision::Granted };
    Grants::from_rows(granted.iter().map(row).collect())
}

fn connection(name: &str) -> ConnectionRow {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let secrets = pairs(&[("token", "secret-a"), ("other", "secret-b"), ("webhook", "secret-c")]);
    ConnectionRow {
        connector: "x".parse().unwrap(),
        name: name.parse().unwrap(),
        config: pairs(&[("sync.days", "30"), ("region", "eu"), ("hidden", "1")]).into_iter().collect(),
        credentials: secrets.into_iter().map(|(name, secret)| (name, secret.parse().unwrap())).collect(),
    }
}

async fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let master = MasterKey::load_or_create(dir.path(), None).unwrap();
    let vault = Vault::open(store, "development", master).await.unwrap();
    (dir, vault)
}

#[tokio::test]
async fn gives_what_was_asked_and_granted_and_nothing_else() {
    let (_dir, vault) = vault().await;
    let caps = Limits::default();
    let version = version(World::Connector, ASKS);
    let connections = [connection("emea")];
    let live = |granted: &[&str]| {
        let grants = grants(granted);
        Binding {
            grants: &grants,
            connections: &connections,
            caps: &caps,
            vault: &vault,
            rates: &RateWindows::default(),
        }
        .connection(&version, &connections[0])
    };

    let nothing = live(&[]);
    assert!(nothing.rights.granted.is_empty() && nothing.rights.credentials.is_empty());
    assert!(nothing.config.is_empty() && nothing.secrets.bound.is_empty() && nothing.secrets.verify.is_empty());

    let some = live(&["egress GET https://a.example/*", TOKEN, "config sync.*", "verify webhook hmac-sha256"]);
    let granted: Vec<_> = some.rights.granted.patterns().iter().map(ToString::to_string).collect();
    assert_eq!(granted, ["GET https://a.example/v1/*"], "the grant is wider than the ask, and the ask is what counts");
    assert_eq!(some.rights.credentials.len(), 1);
    assert_eq!(some.rights.credentials[0].name, "token");
    assert!(some.rights.credentials[0].auto);
    assert_eq!(some.rights.credentials[0].injector.secret().as_str(), "secret-a");
    assert_eq!(some.config.keys().collect::<Vec<_>>(), ["sync.days"]);
    assert_eq!(some.secrets.bound.keys().collect::<Vec<_>>(), ["token", "webhook"]);
    assert_eq!(some.secrets.verify, [("webhook".to_owned(), Algorithm::HmacSha256)]);

    let unasked = live(&["egress https://c.example/*", "config *", OTHER]);
    assert!(unasked.rights.granted.is_empty() && unasked.config.is_empty());
    assert_eq!(unasked.rights.credentials[0].name, "other");
}

#[tokio::test]
async fn an_unbound_credential_is_not_there() {
    let (_dir, vault) = vault().await;
    let (caps, grants) = (Limits::default(), grants(&[TOKEN, OTHER]));
    let version = version(World::Connector, ASKS);
    let mut row = connection("emea");
    row.credentials.remove("token");
    let binding =
        Binding { grants: &grants, connections: &[], caps: &caps, vault: &vault, rates: &RateWindows::default() };
    let live = binding.connection(&version, &row);
    assert_eq!(
        live.rights.credentials.iter().map(|credential| credential.name.as_str()).collect::<Vec<_>>(),
        ["other"]
    );
}

#[tokio::test]
async fn an_endpoint_uses_the_default_connection_or_none() {
    let (_dir, vault) = vault().await;
    let (caps, grants) = (Limits::default(), grants(&[TOKEN, "egress GET https://a.example/v1/*"]));
    let version = version(World::Endpoint, ASKS);
    let default = |connections: &[ConnectionRow]| {
        Binding { grants: &grants, connections, caps: &caps, vault: &vault, rates: &RateWindows::default() }
            .default(&version)
    };
    let bare = default(&[connection("emea")]);
    assert!(bare.rights.credentials.is_empty() && bare.config.is_empty());
    assert_eq!(bare.rights.granted.patterns().len(), 1);
    assert_eq!(default(&[connection("emea"), connection("default")]).rights.credentials.len(), 1);
}

#[tokio::test]
async fn an_endpoint_is_public_only_when_asked_and_granted() {
    let (_dir, vault) = vault().await;
    let caps = Limits::default();
    let public = version(World::Endpoint, "[endpoint]\naccess = \"public\"");
    let keyed = version(World::Endpoint, "");
    for (version, granted, expected) in [
        (&public, &["access public"][..], Access::Public),
        (&public, &[], Access::Key),
        (&keyed, &["access public"], Access::Key),
    ] {
        let grants = grants(granted);
        let binding =
            Binding { grants: &grants, connections: &[], caps: &caps, vault: &vault, rates: &RateWindows::default() };
        assert_eq!(binding.access(version), expected);
    }
}

#[tokio::test]
async fn a_rate_is_one_for_a_connection_and_outlives_its_binding() {
    let (_dir, vault) = vault().await;
    let (caps, grants, rates) = (Limits::default(), grants(&[TOKEN, OTHER]), RateWindows::default());
    let version = version(World::Connector, ASKS);
    let binding = Binding { grants: &grants, connections: &[], caps: &caps, vault: &vault, rates: &rates };
    let rights = |name: &str| binding.connection(&version, &connection(name)).rights;
    let uses = |rights: &Rights| {
        let now = std::time::Instant::now();
        rights.credentials.iter().find(|c| c.name == "token").unwrap().rate.as_ref().unwrap().take(now, now)
    };
    let first = rights("emea");
    assert!(first.credentials.iter().find(|c| c.name == "other").unwrap().rate.is_none());
    assert!(uses(&first).is_ok());
    assert!(uses(&rights("emea")).is_err(), "the binding that replaces another goes on counting");
    assert!(uses(&rights("apac")).is_ok());
}
