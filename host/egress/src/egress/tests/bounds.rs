use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::{
    server::{Server, chunks, stalled, text},
    world::{anywhere, body, egress, egress_to, get, post},
};
use crate::{BoxError, EgressError, Outbound, OutboundBody};

fn pieces(n: usize) -> Vec<Bytes> {
    vec![Bytes::from_static(&[b'x'; 1000]); n]
}

#[tokio::test]
async fn an_answer_larger_than_it_may_be_is_cut() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/known" => text(vec![b'x'; 3000]),
        _ => chunks(pieces(3)),
    })
    .await;
    let egress = egress(&[server.address]);
    let sized = |path: &str, max_response| Outbound { max_response, ..get(server.url(path)) };
    let rights = anywhere(Vec::new());
    for path in ["/known", "/chunked"] {
        assert_eq!(body(egress.send(&rights, sized(path, 3000)).await).await.unwrap().len(), 3000);
        let cut = body(egress.send(&rights, sized(path, 2999)).await).await;
        assert!(matches!(cut, Err(EgressError::ResponseTooLarge)), "{path}: {cut:?}");
    }
    let head = egress.send(&rights, sized("/known", 2999)).await;
    assert!(matches!(head, Err(EgressError::ResponseTooLarge)), "a known length is refused before the body");
    let head = Outbound { method: http::Method::HEAD, ..sized("/known", 0) };
    assert_eq!(egress.send(&rights, head).await.unwrap().headers()["content-length"], "3000");
}

#[tokio::test]
async fn after_an_error_a_body_is_over() {
    let server = Server::start(|_| chunks(pieces(3))).await;
    let outbound = Outbound { max_response: 1500, ..get(server.url("/")) };
    let mut body = egress(&[server.address]).send(&anywhere(Vec::new()), outbound).await.unwrap().into_body();
    let mut errors = 0;
    while let Some(frame) = body.frame().await {
        errors += usize::from(frame.is_err());
    }
    assert_eq!(errors, 1);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_request_larger_than_it_may_be_is_refused() {
    let server = Server::start(|_| text("ok")).await;
    let egress = egress(&[server.address]);
    let rights = anywhere(Vec::new());
    let whole = |max_request| Outbound { max_request, ..post(server.url("/"), "four") };
    assert!(egress.send(&rights, whole(4)).await.is_ok());
    assert!(matches!(egress.send(&rights, whole(3)).await, Err(EgressError::RequestTooLarge)));
    let streamed = |max_request| {
        let frames = stream::iter(pieces(3).into_iter().map(|piece| Ok::<_, BoxError>(Frame::data(piece))));
        let body = OutboundBody::Stream(StreamBody::new(frames).boxed_unsync());
        Outbound { max_request, body, ..post(server.url("/"), "") }
    };
    assert!(egress.send(&rights, streamed(3000)).await.is_ok());
    assert_eq!(server.last().body.len(), 3000);
    let error = egress.send(&rights, streamed(2999)).await.unwrap_err();
    assert!(matches!(error, EgressError::RequestTooLarge), "{error:?}");
}

#[tokio::test]
async fn a_guest_that_breaks_off_is_told_so() {
    let server = Server::start(|_| text("ok")).await;
    let frames = stream::iter([Ok(Frame::data(Bytes::from_static(b"x"))), Err::<_, BoxError>("gone".into())]);
    let body = OutboundBody::Stream(StreamBody::new(frames).boxed_unsync());
    let outbound = Outbound { body, ..post(server.url("/"), "") };
    let error = egress(&[server.address]).send(&anywhere(Vec::new()), outbound).await.unwrap_err();
    assert!(matches!(error, EgressError::RequestBroken), "{error:?}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_in_time_is_given_up() {
    let rights = anywhere(Vec::new());
    let silent = Server::raw(b"").await;
    let slow_head = Outbound { timeout: Duration::from_millis(40), ..get("http://a.example/") };
    let error = egress_to("a.example:80", silent.address).send(&rights, slow_head).await.unwrap_err();
    assert!(matches!(error, EgressError::TimedOut));

    let server = Server::start(|_| stalled("first")).await;
    let slow_body = Outbound { timeout: Duration::from_millis(200), ..get(server.url("/")) };
    let mut body = egress(&[server.address]).send(&rights, slow_body).await.unwrap().into_body();
    assert_eq!(body.next_data().await.unwrap().unwrap(), "first");
    assert!(matches!(body.next_data().await, Err(EgressError::TimedOut)));
    assert!(body.next_data().await.unwrap().is_none());
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::start(|_| text("ok")).await;
    let egress = egress(&[server.address]);
    for _ in 0..3 {
        body(egress.send(&anywhere(Vec::new()), get(server.url("/"))).await).await.unwrap();
    }
    assert_eq!(server.seen().len(), 3);
    assert_eq!(server.connections(), 1);
}
