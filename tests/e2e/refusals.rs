//! What was not asked for and granted, by both keys, is not sent.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use sophia_standins::{
    Answer, Site, Tls,
    hubspot::{Fault, HubSpot, Options, Rates},
};
use sophia_tests::{Node, Reply, Setup, guest, variant, with_manifest};

const SECRET: &str = "pat-the-secret-that-no-guest-sees";
const OWNERS: &str = "https://api.hubapi.com/crm/v3/owners";

async fn portal() -> HubSpot {
    HubSpot::start(Options { rates: Rates::unlimited(), ..Options::for_token(SECRET) }).await.unwrap()
}

/// A node with `fetcher`, everything granted, and the secret bound where `scope` lets it go.
async fn node(setup: Setup, scope: &[&str]) -> Node {
    let node = setup.start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    node.put_secret("token", SECRET, scope).await.expect(200);
    let bound = json!({"token": "token", "key": "token", "basic": "token", "query": "token"});
    node.connect("fetcher", "main", json!({}), bound).await.expect(200);
    node
}

async fn fetch(node: &Node, wanted: Value) -> Reply {
    node.act("fetcher/main", "fetch", wanted).await
}

/// Nothing came out of the refusal that should not have.
fn denied(reply: &Reply) -> String {
    let problem = reply.problem_at("right", 403, "plugin-denied");
    assert_eq!(problem["blame"], "caller");
    assert!(!reply.text().contains(SECRET));
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn refuses_a_host_that_was_not_granted() {
    let portal = portal().await;
    let node = node(Setup::new().with_hubspot(&portal), &["https://api.hubapi.com/*"]).await;
    for url in [
        "https://evil.example/",
        "https://api.hubapi.com.evil.example/crm/v3/owners",
        "https://other.example/not-granted/x",
        "https://other.example/granted/../x",
        "http://api.hubapi.com/crm/v3/owners",
        "https://api.hubapi.com:8443/crm/v3/owners",
    ] {
        let detail = denied(&fetch(&node, json!({ "url": url })).await);
        assert!(detail.contains("is not allowed"), "{url}: {detail}");
    }
    for url in ["https://somebody:word@api.hubapi.com/crm/v3/owners", "ftp://api.hubapi.com/", "no url"] {
        fetch(&node, json!({ "url": url })).await.problem(422, "plugin-invalid");
    }
    assert_eq!(fetch(&node, json!({ "url": OWNERS })).await.expect(200)["status"], 200);
    assert_eq!(portal.seen().len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn sends_a_secret_only_where_both_keys_let_it_go() {
    let portal = portal().await;
    // The manifest says the whole API; the operator's scope on the secret says owners only.
    let scope = ["GET https://api.hubapi.com/crm/v3/owners"];
    let node = node(Setup::new().with_hubspot(&portal), &scope).await;
    assert_eq!(fetch(&node, json!({ "url": OWNERS })).await.expect(200)["status"], 200);

    let contacts = "https://api.hubapi.com/crm/v3/objects/contacts";
    portal.forget();
    for arguments in [json!({"url": contacts, "credential": "token"}), json!({ "url": contacts })] {
        let detail = denied(&fetch(&node, arguments).await);
        assert!(
            detail.contains("`token` may not be sent there: the scope that the operator gave its secret"),
            "{detail}"
        );
    }
    assert!(portal.seen().is_empty());

    assert!(denied(&fetch(&node, json!({"url": OWNERS, "credential": "nobody"})).await).contains("no credential"));
    let own = json!({"url": OWNERS, "headers": [["authorization", "Bearer of-the-guest"]]});
    assert!(denied(&fetch(&node, own).await).contains("must not be set by the plugin"));
    node.stop().await;
}

#[tokio::test]
async fn uses_a_secret_no_more_often_than_the_manifest_says() {
    let portal = portal().await;
    let node = Setup::new().with_hubspot(&portal).start().await;
    let manifest = include_str!("../guests/rust/fetcher/plugin.toml").to_owned();
    let rated = |requests: &str| {
        with_manifest(&guest("fetcher"), &format!("{manifest}[rate.token]\nrequests = \"{requests}\"\n"))
    };
    node.deploy("fetcher", &rated("2/1h")).await;
    node.put_secret("token", SECRET, &["https://api.hubapi.com/*"]).await.expect(200);
    for connection in ["one", "two"] {
        node.connect("fetcher", connection, json!({}), json!({"token": "token"})).await.expect(200);
    }
    let fetch = async |connection: &str| node.act(connection, "fetch", json!({ "url": OWNERS })).await;
    for _ in 0..2 {
        fetch("fetcher/one").await.expect(200);
    }
    let refused = fetch("fetcher/one").await;
    refused.problem(429, "limited");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((3500..=3601).contains(&seconds), "{seconds}");
    fetch("fetcher/two").await.expect(200);

    // Neither another version nor the connection, set again, starts the count anew.
    node.deploy("fetcher", &variant(&rated("3/1h"), 1)).await;
    node.connect("fetcher", "one", json!({}), json!({"token": "token"})).await.expect(200);
    fetch("fetcher/one").await.expect(200);
    fetch("fetcher/one").await.problem(429, "limited");
    assert_eq!(portal.seen().len(), 4);
    node.stop().await;
}

#[tokio::test]
async fn refuses_private_addresses_that_the_operator_did_not_name() {
    let inside =
        Site::start(Tls::Off, |_| async { Answer::Whole(Response::new(Bytes::from("inside"))) }).await.unwrap();
    let named = Site::start(Tls::Off, |_| async { Answer::Whole(Response::new(Bytes::from("named"))) }).await.unwrap();
    let node = node(Setup::new().naming(named.address()), &[]).await;
    for url in [
        format!("http://{}/", inside.address()),
        format!("http://localhost:{}/", inside.address().port()),
        format!("http://0x7f.1:{}/", inside.address().port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let detail = denied(&fetch(&node, json!({ "url": url })).await);
        assert!(detail.contains("private, local or reserved"), "{url}: {detail}");
    }
    assert!(inside.seen().is_empty());
    let reached = fetch(&node, json!({"url": format!("http://{}/", named.address())})).await.expect(200);
    assert_eq!(reached["body"], "named");
    node.stop().await;
}

#[tokio::test]
async fn authorises_every_redirect_anew() {
    let portal = portal().await;
    let inside = Arc::new(Site::start(Tls::Off, |_| async { Answer::Reset }).await.unwrap());
    let node = node(Setup::new().with_hubspot(&portal), &["https://api.hubapi.com/*"]).await;

    for (to, because) in [
        ("https://evil.example/".to_owned(), "is not allowed"),
        (format!("http://{}/", inside.address()), "private, local or reserved"),
        ("http://api.hubapi.com/crm/v3/owners".to_owned(), "is not allowed"),
    ] {
        portal.fail_next(Fault::Redirect(302, to.clone()));
        let detail = denied(&fetch(&node, json!({ "url": OWNERS })).await);
        assert!(detail.contains(because), "{to}: {detail}");
    }
    assert!(inside.seen().is_empty());

    // Within the grant it is followed, and the credential chosen again.
    portal.forget();
    portal.fail_next(Fault::Redirect(307, OWNERS.to_owned()));
    let followed = fetch(&node, json!({"url": "https://api.hubapi.com/crm/v3/objects/deals"})).await.expect(200);
    assert_eq!(followed["status"], 200);
    let paths: Vec<String> = portal.seen().iter().map(|seen| seen.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/crm/v3/objects/deals", "/crm/v3/owners"]);

    portal.fail_always(Fault::Redirect(302, OWNERS.to_owned()));
    fetch(&node, json!({ "url": OWNERS })).await.problem(502, "upstream");
    node.stop().await;
}

#[tokio::test]
async fn what_a_vendor_does_wrong_is_the_vendors_blame() {
    let portal = portal().await;
    let node =
        node(Setup::new().with_hubspot(&portal).set(&["limits", "response"], "64KiB"), &["https://api.hubapi.com/*"])
            .await;
    for fault in [Fault::Reset, Fault::HalfBody, Fault::Huge(1 << 20)] {
        portal.fail_next(fault.clone());
        let problem = fetch(&node, json!({ "url": OWNERS })).await.problem_at("call", 502, "upstream");
        assert_eq!(problem["blame"], "upstream", "{fault:?}");
    }
    portal.fail_next(Fault::Status(503));
    assert_eq!(fetch(&node, json!({ "url": OWNERS })).await.expect(200)["status"], 503);
    node.stop().await;
}
