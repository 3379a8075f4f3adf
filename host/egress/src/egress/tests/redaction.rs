use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;

use super::{
    server::{Answer, Server, chunks, text, with_header},
    world::{BEARER, SECRET, World, anywhere, body, egress, egress_to, get},
};
use crate::EgressError;

const MASKED: &str = "************************";

/// printf 'user:pat-na1/5f2a+very-secret' | base64
const BASIC: &str = "dXNlcjpwYXQtbmExLzVmMmErdmVyeS1zZWNyZXQ=";

async fn reflected(
    injection: &str,
    answer: impl Fn(&str) -> Answer + Clone + Send + Sync + 'static,
) -> (HeaderMap, String) {
    let world = World::new().await;
    let server = Server::start(move |seen| answer(seen.header("authorization").unwrap_or(&seen.target))).await;
    let rights = anywhere(vec![world.credential(injection, &["http://*:*/*"])]);
    let answer = egress(&[server.address]).send(&rights, get(server.url("/"))).await.unwrap();
    let headers = answer.headers().clone();
    (headers, body(Ok(answer)).await.unwrap())
}

#[tokio::test]
async fn a_reflecting_body_gives_nothing_away_across_chunks() {
    for size in [1, 2, 3, 7, 1000] {
        let (_, body) = reflected(BEARER, move |sent| {
            let body = Bytes::from(format!("you sent: {sent}, twice: {sent}."));
            chunks((0..body.len()).step_by(size).map(|at| body.slice(at..(at + size).min(body.len()))).collect())
        })
        .await;
        assert_eq!(body, format!("you sent: Bearer {MASKED}, twice: Bearer {MASKED}."), "chunks of {size}");
    }
}

#[tokio::test]
async fn a_reflecting_body_gives_no_encoding_away() {
    let (_, body) = reflected(r#"{"basic": "user"}"#, |sent| text(format!("<{sent}> <{SECRET}>"))).await;
    assert!(!body.contains(&BASIC[10..20]), "{body}");
    assert_eq!(body, format!("<Basic ***************************************=> <{MASKED}>"));
    let (_, body) = reflected(r#"{"query": "key"}"#, |sent| text(sent.to_owned())).await;
    assert_eq!(body, format!("/?key={}", "*".repeat(28)));
}

#[tokio::test]
async fn reflecting_headers_give_nothing_away() {
    let (headers, _) = reflected(BEARER, |sent| {
        let answer = with_header(text("ok"), "x-echo", sent);
        with_header(with_header(answer, "www-authenticate", &format!("Bearer error=\"{sent}\"")), "x-plain", "kept")
    })
    .await;
    assert_eq!(headers["x-echo"], format!("Bearer {MASKED}"));
    assert_eq!(headers["www-authenticate"], format!("Bearer error=\"Bearer {MASKED}\""));
    assert_eq!(headers["x-plain"], "kept");
    assert_eq!(headers["content-length"], "2");
}

#[tokio::test]
async fn a_reason_phrase_and_a_header_name_give_nothing_away() {
    let world = World::new().await;
    world.set("vendor", "pat-na1-plain", &["http://*:*/*"]).await;
    let server =
        Server::raw(b"HTTP/1.1 200 pat-na1-plain\r\nx-Pat-Na1-Plain: 1\r\nx-kept: 1\r\ncontent-length: 0\r\n\r\n")
            .await;
    let rights = anywhere(vec![world.credential(BEARER, &["http://*:*/*"])]);
    let answer = egress_to("a.example:80", server.address).send(&rights, get("http://a.example/")).await.unwrap();
    assert!(answer.headers().contains_key("x-kept"));
    let seen = format!("{:?} {:?}", answer.headers(), answer.extensions().get::<hyper::ext::ReasonPhrase>());
    assert!(!seen.contains("pat-na1-plain"), "{seen}");
}

#[tokio::test]
async fn trailers_give_nothing_away() {
    let world = World::new().await;
    world.set("vendor", "pat-na1-plain", &["http://*:*/*"]).await;
    let server = Server::raw(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-echo, x-kept\r\n\r\n\
          7\r\npat-na1\r\n0\r\nx-echo: pat-na1-plain\r\nx-kept: 1\r\n\r\n",
    )
    .await;
    let rights = anywhere(vec![world.credential(BEARER, &["http://*:*/*"])]);
    let answer = egress_to("a.example:80", server.address).send(&rights, get("http://a.example/")).await.unwrap();
    let collected = answer.into_body().collect().await.unwrap();
    let trailers = collected.trailers().unwrap();
    assert_eq!((&trailers["x-echo"], &trailers["x-kept"]), (&"*************".parse().unwrap(), &"1".parse().unwrap()));
    // The beginning of a secret that never came whole.
    assert_eq!(collected.to_bytes(), "pat-na1");
}

#[tokio::test]
async fn a_stream_of_events_is_not_delayed() {
    let world = World::new().await;
    let server = Server::start(|_| super::server::stalled("data: one\n\n")).await;
    let rights = anywhere(vec![world.credential(BEARER, &["http://*:*/*"])]);
    let answer = egress(&[server.address]).send(&rights, get(server.url("/"))).await.unwrap();
    let mut body = answer.into_body();
    assert_eq!(body.next_data().await.unwrap().unwrap(), "data: one\n\n");
    assert!(!body.is_end_stream());
}

#[tokio::test]
async fn an_encoded_answer_is_refused_where_a_secret_could_hide_in_it() {
    let world = World::new().await;
    let server = Server::start(|_| with_header(text("..."), "content-encoding", "gzip")).await;
    let egress = egress(&[server.address]);
    let rights = anywhere(vec![world.credential(BEARER, &["http://*:*/*"])]);
    let error = egress.send(&rights, get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Encoded), "{error}");
    assert_eq!(server.last().header("accept-encoding"), Some("identity"));
    let answer = egress.send(&anywhere(Vec::new()), get(server.url("/"))).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn errors_give_nothing_away() {
    let world = World::new().await;
    let rights = anywhere(vec![world.credential(r#"{"query": "key"}"#, &["http://*:*/*"])]);
    let raw = Server::raw(b"not http at all\r\n\r\n").await;
    let stalled = Server::start(|_| super::server::stalled("")).await;
    let stalled_then_timed_out = async {
        let mut outbound = get(stalled.url("/"));
        outbound.timeout = std::time::Duration::from_millis(50);
        body(egress(&[stalled.address]).send(&rights, outbound).await).await
    };
    let broken = egress_to("a.example:80", raw.address).send(&rights, get("http://a.example/")).await.map(|_| ());
    for error in [broken.unwrap_err(), stalled_then_timed_out.await.unwrap_err()] {
        let mut printed = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            printed += &format!(" {cause} {cause:?}");
            source = cause.source();
        }
        assert!(!printed.contains("very-secret"), "{printed}");
    }
}
