use bytes::Bytes;
use futures::stream;
use http::{Method, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::{
    server::{Server, redirect, text},
    world::{BEARER, SECRET, World, anywhere, body, egress, get, post, scope, with},
};
use crate::{BoxError, EgressError, Outbound, OutboundBody, Redirects, Rights};

/// A server whose `/go/{status}` leads to `to`, and which answers `here` to anything else.
async fn leading_to(to: String) -> Server {
    Server::start(move |seen| match seen.target.strip_prefix("/go/") {
        Some(status) => redirect(status.parse().unwrap(), &to),
        None => text("here"),
    })
    .await
}

#[tokio::test]
async fn a_redirect_needs_both_keys_again() {
    let target = Server::start(|_| text("target")).await;
    let server = leading_to(target.url("/landed")).await;
    let egress = egress(&[server.address, target.address]);
    let here = scope(&[&server.url("/*")]);
    let both = scope(&[&server.url("/*"), &target.url("/landed")]);
    for (asked, granted) in [(&here, &both), (&both, &here)] {
        let rights = Rights { asked: asked.clone(), granted: granted.clone(), credentials: Vec::new() };
        let error = egress.send(&rights, get(server.url("/go/302"))).await.unwrap_err();
        assert!(matches!(error, EgressError::NotAllowed { .. }), "{error}");
    }
    assert!(target.seen().is_empty());
    let rights = Rights { asked: both.clone(), granted: both, credentials: Vec::new() };
    assert_eq!(body(egress.send(&rights, get(server.url("/go/302"))).await).await.unwrap(), "target");
    let error = egress.send(&rights, post(server.url("/go/307"), "x")).await;
    assert!(error.is_ok());
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let target = Server::start(|_| text("target")).await;
    for to in [target.url("/"), format!("http://localhost:{}/", target.address.port()), "http://[::1]/".into()] {
        let server = leading_to(to.clone()).await;
        let error =
            egress(&[server.address]).send(&anywhere(Vec::new()), get(server.url("/go/302"))).await.unwrap_err();
        assert!(matches!(error, EgressError::PrivateAddress { .. }), "{to}: {error}");
    }
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_with_a_password_or_to_nowhere_is_refused() {
    for (to, expected) in
        [("http://u:p@127.0.0.1:9/", "user or password"), ("gopher://a/", "scheme"), ("http://", "no URL")]
    {
        let server = leading_to(to.into()).await;
        let error =
            egress(&[server.address]).send(&anywhere(Vec::new()), get(server.url("/go/302"))).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
}

#[tokio::test]
async fn a_credential_stays_with_its_origin() {
    let world = World::new().await;
    let target = Server::start(|_| text("target")).await;
    let server = leading_to(target.url("/landed")).await;
    let egress = egress(&[server.address, target.address]);
    let vendor = world.credential(BEARER, &[&server.url("/*")]);
    let named = Outbound { credential: Some("vendor".into()), ..get(server.url("/go/302")) };

    let rights = anywhere(vec![vendor.clone()]);
    assert_eq!(body(egress.send(&rights, named).await).await.unwrap(), "target");
    assert!(server.last().header("authorization").is_some());
    assert_eq!(target.last().header("authorization"), None);

    // The other origin's own credential is chosen there, and only there.
    let mut other = world.credential(r#"{"header": "x-key"}"#, &[&target.url("/*")]);
    other.name = "other".into();
    egress.send(&anywhere(vec![vendor, other]), get(server.url("/go/302"))).await.unwrap();
    assert_eq!((server.last().header("x-key"), target.last().header("authorization")), (None, None));
    assert_eq!(target.last().header("x-key"), Some(SECRET));
}

#[tokio::test]
async fn a_guests_own_authorisation_stays_with_its_origin_too() {
    let target = Server::start(|_| text("target")).await;
    let server = leading_to(target.url("/")).await;
    let egress = egress(&[server.address, target.address]);
    let outbound = with(with(get(server.url("/go/302")), "authorization", "mine"), "cookie", "mine");
    egress.send(&anywhere(Vec::new()), with(outbound, "x-own", "1")).await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("mine"));
    let seen = target.last();
    assert_eq!((seen.header("authorization"), seen.header("cookie"), seen.header("x-own")), (None, None, Some("1")));
}

#[tokio::test]
async fn a_credential_is_injected_again_at_the_same_origin() {
    let world = World::new().await;
    let server = leading_to("/landed".into()).await;
    let rights = anywhere(vec![world.credential(BEARER, &["http://*:*/*"])]);
    assert_eq!(body(egress(&[server.address]).send(&rights, get(server.url("/go/301"))).await).await.unwrap(), "here");
    assert_eq!(server.seen().iter().filter(|seen| seen.header("authorization").is_some()).count(), 2);
}

#[tokio::test]
async fn a_key_in_a_reflected_query_does_not_travel() {
    let world = World::new().await;
    let target = Server::start(|_| text("target")).await;
    let to = target.url("/landed");
    let server = Server::start(move |seen| {
        let query = seen.target.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        match seen.target.starts_with("/same") {
            true => redirect(302, &format!("/landed?{query}")),
            false if seen.target.starts_with("/other") => redirect(302, &format!("{to}?{query}")),
            false => text("here"),
        }
    })
    .await;
    let egress = egress(&[server.address, target.address]);
    let rights = anywhere(vec![world.credential(r#"{"query": "key"}"#, &[&server.url("/*")])]);
    egress.send(&rights, get(server.url("/other?a=1"))).await.unwrap();
    assert_eq!(target.last().target, "/landed?a=1");
    egress.send(&rights, get(server.url("/same?a=1"))).await.unwrap();
    assert_eq!(server.last().target, "/landed?a=1&key=pat-na1%2F5f2a%2Bvery-secret");
    let seen_by_guest = Outbound { redirects: Redirects::Return, ..get(server.url("/same?a=1")) };
    let answer = egress.send(&rights, seen_by_guest).await.unwrap();
    assert_eq!(answer.headers()[header::LOCATION], "/landed?a=1&key=****************************");
}

#[tokio::test]
async fn the_method_and_body_follow_the_status() {
    let server = leading_to("/landed".into()).await;
    let egress = egress(&[server.address]);
    for (status, method, body, content_type) in [
        (301, Method::GET, "", None),
        (302, Method::GET, "", None),
        (303, Method::GET, "", None),
        (307, Method::POST, "content", Some("text/plain")),
        (308, Method::POST, "content", Some("text/plain")),
    ] {
        let outbound = with(post(server.url(&format!("/go/{status}")), "content"), "content-type", "text/plain");
        egress.send(&anywhere(Vec::new()), outbound).await.unwrap();
        let seen = server.last();
        assert_eq!((seen.method.clone(), &seen.body[..]), (method, body.as_bytes()), "{status}");
        assert_eq!(seen.header("content-type"), content_type, "{status}");
    }
}

#[tokio::test]
async fn a_streamed_body_is_not_repeated() {
    let server = leading_to("/landed".into()).await;
    let egress = egress(&[server.address]);
    let streamed = |status: u16| {
        let frames = stream::iter([Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"content")))]);
        let body = OutboundBody::Stream(StreamBody::new(frames).boxed_unsync());
        Outbound { body, ..post(server.url(&format!("/go/{status}")), "") }
    };
    let error = egress.send(&anywhere(Vec::new()), streamed(307)).await.unwrap_err();
    assert!(matches!(error, EgressError::UnrepeatableBody), "{error}");
    assert_eq!(body(egress.send(&anywhere(Vec::new()), streamed(303)).await).await.unwrap(), "here");
}

#[tokio::test]
async fn follows_ten_times_or_not_at_all() {
    let server = Server::start(|seen| {
        let n: u32 = seen.target.trim_start_matches('/').parse().unwrap();
        if n == 0 { text("end") } else { redirect(302, &format!("/{}", n - 1)) }
    })
    .await;
    let (egress, rights) = (egress(&[server.address]), anywhere(Vec::new()));
    assert_eq!(body(egress.send(&rights, get(server.url("/10"))).await).await.unwrap(), "end");
    let error = egress.send(&rights, get(server.url("/11"))).await.unwrap_err();
    assert!(matches!(error, EgressError::TooManyRedirects));
    let outbound = Outbound { redirects: Redirects::Return, ..get(server.url("/10")) };
    let answer = egress.send(&rights, outbound).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()[header::LOCATION]), (302, &"/9".parse().unwrap()));
}
