use sophia_domain::TenantId;

use super::{
    server::{Server, text},
    world::{BEARER, SECRET, World, anywhere, body, egress, get, scope, with},
};
use crate::{EgressError, Outbound, Rights};

#[tokio::test]
async fn injects_a_credential_outside_of_the_guest() {
    let world = World::new().await;
    let server = Server::start(|_| text("ok")).await;
    let egress = egress(&[server.address]);
    for (injection, header, value, target) in [
        (BEARER, "authorization", format!("Bearer {SECRET}"), "/x?a=1"),
        // printf 'user:pat-na1/5f2a+very-secret' | base64
        (r#"{"basic": "user"}"#, "authorization", "Basic dXNlcjpwYXQtbmExLzVmMmErdmVyeS1zZWNyZXQ=".into(), "/x?a=1"),
        (r#"{"header": "x-api-key"}"#, "x-api-key", SECRET.into(), "/x?a=1"),
        (r#"{"query": "key"}"#, "", String::new(), "/x?a=1&key=pat-na1%2F5f2a%2Bvery-secret"),
    ] {
        let rights = anywhere(vec![world.credential(injection, &["http://*:*/*"])]);
        assert_eq!(body(egress.send(&rights, get(server.url("/x?a=1"))).await).await.unwrap(), "ok");
        let seen = server.last();
        assert_eq!(seen.target, target);
        assert_eq!(seen.header(header).unwrap_or_default(), value);
    }
}

#[tokio::test]
async fn needs_every_scope() {
    let world = World::new().await;
    let server = Server::start(|_| text("ok")).await;
    let egress = egress(&[server.address]);
    let (here, v1) = (server.url("/*"), server.url("/v1/*"));
    let by_name = |url: String| Outbound { credential: Some("vendor".into()), ..get(url) };

    // The manifest's scope.
    let mut rights = anywhere(vec![world.credential(BEARER, &[&v1])]);
    let error = egress.send(&rights, by_name(server.url("/v2/x"))).await.unwrap_err();
    assert!(matches!(error, EgressError::CredentialScope { name } if name == "vendor"));
    egress.send(&rights, get(server.url("/v2/x"))).await.unwrap();
    assert_eq!(server.last().header("authorization"), None);
    egress.send(&rights, by_name(server.url("/v1/x"))).await.unwrap();
    assert!(server.last().header("authorization").is_some());

    // The operator's, on the secret: narrowed under a manifest that asks for more.
    world.set("vendor", SECRET, &[&format!("POST {v1}")]).await;
    let n_sent = server.seen().len();
    for outbound in [by_name(server.url("/v1/x")), get(server.url("/v1/x"))] {
        let error = egress.send(&rights, outbound).await.unwrap_err();
        assert!(matches!(error, EgressError::SecretScope { name } if name == "vendor"));
    }
    assert_eq!(server.seen().len(), n_sent);

    // The plugin's own two keys.
    world.set("vendor", SECRET, &[&here]).await;
    rights.granted = scope(&[&server.url("/v2/*")]);
    let error = egress.send(&rights, by_name(server.url("/v1/x"))).await.unwrap_err();
    assert!(matches!(error, EgressError::NotAllowed { .. }));
}

#[tokio::test]
async fn a_credential_that_is_not_automatic_waits_to_be_named() {
    let world = World::new().await;
    let server = Server::start(|_| text("ok")).await;
    let egress = egress(&[server.address]);
    let mut credential = world.credential(BEARER, &["http://*:*/*"]);
    credential.auto = false;
    let rights = anywhere(vec![credential]);
    egress.send(&rights, get(server.url("/"))).await.unwrap();
    assert_eq!(server.last().header("authorization"), None);
    let named = |name: &str| Outbound { credential: Some(name.into()), ..get(server.url("/")) };
    egress.send(&rights, named("vendor")).await.unwrap();
    assert!(server.last().header("authorization").is_some());
    let error = egress.send(&rights, named("other")).await.unwrap_err();
    assert!(matches!(error, EgressError::UnknownCredential { name } if name == "other"));
}

#[tokio::test]
async fn a_missing_secret_refuses_and_a_rotated_one_is_used_at_once() {
    let world = World::new().await;
    let server = Server::start(|_| text("ok")).await;
    let egress = egress(&[server.address]);
    let rights = anywhere(vec![world.credential(BEARER, &["http://*:*/*"])]);
    world.set("vendor", "rotated-value", &["http://*:*/*"]).await;
    egress.send(&rights, get(server.url("/"))).await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("Bearer rotated-value"));
    world.vault.delete(&TenantId::main(), &"vendor".parse().unwrap()).await.unwrap();
    let error = egress.send(&rights, get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Credential { .. }), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_guest_may_not_be_somebody_else_where_a_credential_belongs() {
    let world = World::new().await;
    let (vendor, other) = (Server::start(|_| text("ok")).await, Server::start(|_| text("ok")).await);
    let egress = egress(&[vendor.address, other.address]);
    let v1 = vendor.url("/v1/*");
    for (injection, name, refused) in [
        (BEARER, "authorization", true),
        (BEARER, "cookie", true),
        (BEARER, "x-api-key", false),
        (r#"{"header": "x-api-key"}"#, "x-api-key", true),
        (r#"{"header": "x-api-key"}"#, "authorization", true),
        (r#"{"query": "key"}"#, "authorization", true),
    ] {
        let rights: Rights = anywhere(vec![world.credential(injection, &[&v1])]);
        // Also outside of the credential's paths: the host is what counts.
        for path in ["/v1/x", "/elsewhere"] {
            let sent = egress.send(&rights, with(get(vendor.url(path)), name, "mine")).await;
            let is_refused = matches!(&sent, Err(EgressError::GuestAuthorisation { part, .. }) if part == name);
            assert_eq!(is_refused, refused, "{injection} {name} {path}: {sent:?}");
        }
        egress.send(&rights, with(get(other.url("/")), name, "mine")).await.unwrap();
        assert_eq!(other.last().header(name), Some("mine"));
    }
    let rights = anywhere(vec![world.credential(r#"{"query": "key"}"#, &[&v1])]);
    for url in ["/v1/x?key=mine", "/v1/x?a=1&k%65y=mine"] {
        let sent = egress.send(&rights, get(vendor.url(url))).await;
        assert!(matches!(sent, Err(EgressError::GuestAuthorisation { .. })), "{url}");
    }
    assert!(vendor.seen().iter().all(|seen| seen.header("x-api-key").is_none_or(|value| value != SECRET)));
}
