//! A webhook needs no key and is taken only where the plugin finds it genuine.

use reqwest::Method;
use ring::hmac;
use serde_json::json;
use sophia_tests::{Reply, Setup, guest};

const SECRET: &str = "what-only-the-vendor-and-the-vault-know";

fn signature(body: &str) -> String {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body.as_bytes());
    mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn takes_what_is_signed_and_drops_the_rest() {
    let node = Setup::new().start().await;
    node.deploy("verify-webhook", &guest("verify-webhook")).await;
    // Without a scope a secret can verify and never be sent.
    node.put_secret("hook", SECRET, &[]).await.expect(200);
    node.connect("verify-webhook", "main", json!({}), json!({"hook": "hook"})).await.expect(200);
    node.connect("verify-webhook", "unbound", json!({}), json!({})).await.expect(200);

    let vendor = node.with_key(None);
    let post = async |connection: &str, body: &'static str, signature: &str| -> Reply {
        let path = format!("/v1/connectors/verify-webhook/{connection}/webhook");
        let request = vendor.request(Method::POST, &path).header("x-signature", signature.to_owned());
        vendor.send(request.body(body)).await
    };
    let taken = post("main", "an event", &signature("an event")).await.expect_text(200);
    assert_eq!(taken, format!("POST {}/v1/connectors/verify-webhook/main/webhook took 8 bytes", node.base()));
    for wrong in [signature("another event"), "00".to_owned(), "not hex".to_owned(), String::new()] {
        post("main", "an event", &wrong).await.problem(401, "webhook-denied");
    }
    assert!(post("unbound", "an event", &signature("an event")).await.status >= 400);
    post("nobody", "an event", &signature("an event")).await.problem(404, "unknown-connection");
    node.stop().await;
}

#[tokio::test]
async fn a_connector_in_javascript_verifies_too() {
    let node = Setup::new().start().await;
    node.deploy("js-connector", &guest("js-connector")).await;
    node.put_secret("hook", SECRET, &[]).await.expect(200);
    node.connect("js-connector", "main", json!({}), json!({"webhook": "hook"})).await.expect(200);
    let body = r#"{"event":"made"}"#;
    let post = async |signature: String| {
        let request = node.request(Method::POST, "/v1/connectors/js-connector/main/webhook");
        node.send(request.header("x-signature", signature).body(body)).await
    };
    assert_eq!(post(signature(body)).await.expect_text(200), "taken");
    post(signature("{}")).await.problem(401, "webhook-denied");
    node.stop().await;
}
