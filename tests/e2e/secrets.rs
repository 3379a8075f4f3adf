//! A secret goes in, is used, and is never seen again.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use sophia_standins::hubspot::{Fault, HubSpot, Options, Rates};
use sophia_tests::{Setup, guest};

const SECRET: &str = "pat-7f3c-a-secret-with-spice/+&=";
const OWNERS: &str = "https://api.hubapi.com/crm/v3/owners";

#[tokio::test]
async fn injects_each_kind_of_credential_outside_the_sandbox() {
    let portal = HubSpot::start(Options::for_token("another")).await.unwrap();
    let node = Setup::new().with_hubspot(&portal).start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    node.put_secret("token", SECRET, &["https://api.hubapi.com/*"]).await.expect(200);
    let bound = json!({"token": "token", "key": "token", "basic": "token", "query": "token"});
    node.connect("fetcher", "main", json!({}), bound).await.expect(200);
    let basic = format!("Basic {}", STANDARD.encode(format!("somebody:{SECRET}")));
    for (credential, header, expected) in [
        ("token", "authorization", format!("Bearer {SECRET}")),
        ("key", "x-api-key", format!("key={SECRET}")),
        ("basic", "authorization", basic),
    ] {
        let fetch = json!({"url": OWNERS, "credential": credential});
        node.act("fetcher/main", "fetch", fetch).await.expect(200);
        assert_eq!(portal.seen().pop().unwrap().header(header), Some(expected.as_str()), "{credential}");
    }
    let fetch = json!({"url": format!("{OWNERS}?limit=1"), "credential": "query"});
    node.act("fetcher/main", "fetch", fetch).await.expect(200);
    let seen = portal.seen().pop().unwrap();
    let mut query = reqwest::Url::parse(OWNERS).unwrap();
    query.set_query(seen.uri.query());
    let pairs: Vec<(String, String)> = query.query_pairs().into_owned().collect();
    assert_eq!(pairs, [("limit".into(), "1".into()), ("api_key".into(), SECRET.into())]);
    node.stop().await;
}

#[tokio::test]
async fn redacts_a_secret_that_a_vendor_reflects() {
    let options = Options { rates: Rates::unlimited(), ..Options::for_token(SECRET) };
    let portal = HubSpot::start(options).await.unwrap();
    let node = Setup::new().with_hubspot(&portal).start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    node.put_secret("token", SECRET, &["https://api.hubapi.com/*"]).await.expect(200);
    let bound = json!({"token": "token", "basic": "token"});
    node.connect("fetcher", "main", json!({}), bound).await.expect(200);
    portal.fail_always(Fault::ReflectAuthorization);
    for credential in ["token", "basic"] {
        let reply = node.act("fetcher/main", "fetch", json!({"url": OWNERS, "credential": credential})).await;
        let came = reply.expect(200);
        let sent = portal.seen().pop().unwrap().header("authorization").unwrap().to_owned();
        let (_, bytes) = sent.split_once(' ').unwrap();
        assert!(!reply.text().contains(bytes) && !reply.text().contains(SECRET), "{came}");
        assert!(came["body"].as_str().unwrap().contains("you_sent"), "{came}");
        assert_ne!(came["you_sent"], json!(null), "{came}");
    }
    node.stop().await;
}

#[tokio::test]
async fn shows_a_secret_to_nobody_and_writes_it_down_nowhere() {
    let portal = HubSpot::start(Options::for_token(SECRET)).await.unwrap();
    let node = Setup::new().with_hubspot(&portal).set(&["telemetry", "log"], "trace").start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    let kept = node.put_secret("token", SECRET, &["https://api.hubapi.com/*"]).await;
    node.connect("fetcher", "main", json!({}), json!({"token": "token"})).await.expect(200);
    node.act("fetcher/main", "fetch", json!({ "url": OWNERS })).await.expect(200);
    let mut told = vec![kept.text(), node.get("/v1/secrets").await.text(), node.get("/v1/connections").await.text()];
    for path in ["/config", "/metrics", "/v1/plugins/fetcher", "/v1/plugins/fetcher/logs", "/v1/secrets/token"] {
        told.push(node.get(path).await.text());
    }
    told.push(node.log());
    let data = node.data().clone();
    node.stop().await;
    let encoded = STANDARD.encode(SECRET);
    for text in told {
        assert!(!text.contains(SECRET) && !text.contains(&encoded), "{text}");
    }
    let plain = [SECRET.as_bytes(), encoded.as_bytes()];
    for file in files(&data.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!plain.iter().any(|needle| has(needle)), "the secret stands in {}", file.display());
    }
}

#[tokio::test]
async fn a_secret_set_anew_is_used_at_once_and_a_deleted_one_no_more() {
    let portal = HubSpot::start(Options::for_token("pat-afterwards")).await.unwrap();
    let node = Setup::new().with_hubspot(&portal).start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    let scope = ["https://api.hubapi.com/*"];
    node.put_secret("token", "pat-before", &scope).await.expect(200);
    node.connect("fetcher", "main", json!({}), json!({"token": "token"})).await.expect(200);
    let fetch = async || node.act("fetcher/main", "fetch", json!({ "url": OWNERS })).await;
    assert_eq!(fetch().await.expect(200)["status"], 401);
    assert_eq!(node.put_secret("token", "pat-afterwards", &scope).await.expect(200)["version"], 2);
    assert_eq!(fetch().await.expect(200)["status"], 200);
    assert_eq!(node.delete("/v1/secrets/token").await.status, 204);
    let n_seen = portal.seen().len();
    assert!(fetch().await.status >= 400);
    assert_eq!(portal.seen().len(), n_seen, "a request went out without its credential");
    node.delete("/v1/secrets/token").await.problem(404, "unknown-secret");
    node.stop().await;
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
