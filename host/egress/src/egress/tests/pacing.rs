use std::time::{Duration, Instant};

use sophia_domain::TenantId;
use sophia_ledger::{RateKey, RateWindow, RateWindows};

use super::{
    server::{Server, text},
    world::{BEARER, World, anywhere, egress, get},
};
use crate::{EgressError, Outbound, Rights};

fn window(rate: &str) -> RateWindow {
    let key = RateKey {
        tenant: TenantId::main(),
        plugin: "vendor".parse().unwrap(),
        connection: "main".parse().unwrap(),
        credential: "vendor".into(),
    };
    RateWindows::default().window(key, rate.parse().unwrap())
}

/// One credential, used by itself under `/v1`, with a rate.
fn rights(world: &World, server: &Server, rate: &str) -> Rights {
    let mut credential = world.credential(BEARER, &[&server.url("/v1/*")]);
    credential.rate = Some(window(rate));
    anywhere(vec![credential])
}

#[tokio::test]
async fn a_request_waits_for_its_place_in_the_rate() {
    let world = World::new().await;
    let server = Server::start(|_| text("ok")).await;
    let (egress, rights) = (egress(&[server.address]), rights(&world, &server, "2/200ms"));
    let began = Instant::now();
    for _ in 0..5 {
        egress.send(&rights, get(server.url("/v1/x"))).await.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_request_whose_place_comes_too_late_is_refused_at_once_and_not_sent() {
    let world = World::new().await;
    let server = Server::start(|_| text("ok")).await;
    let (egress, rights) = (egress(&[server.address]), rights(&world, &server, "1/1h"));
    egress.send(&rights, get(server.url("/v1/x"))).await.unwrap();
    let error = egress.send(&rights, get(server.url("/v1/x"))).await.unwrap_err();
    let EgressError::RateExceeded { name, retry_after } = error else { panic!("{error}") };
    assert_eq!(name, "vendor");
    assert!(retry_after > Duration::from_secs(3500) && retry_after <= Duration::from_secs(3600), "{retry_after:?}");
    assert_eq!(server.seen().len(), 1);

    // The rate is the credential's: what goes without it is not counted.
    egress.send(&rights, get(server.url("/elsewhere"))).await.unwrap();
    let named = Outbound { credential: Some("vendor".into()), ..get(server.url("/v1/x")) };
    assert!(matches!(egress.send(&rights, named).await, Err(EgressError::RateExceeded { .. })));
}

#[tokio::test]
async fn each_redirect_that_carries_the_credential_counts() {
    let world = World::new().await;
    let server = Server::start(|seen| match seen.target.as_str() {
        "/v1/from" => super::server::redirect(302, "/v1/to"),
        _ => text("ok"),
    })
    .await;
    let (egress, rights) = (egress(&[server.address]), rights(&world, &server, "1/1h"));
    let error = egress.send(&rights, get(server.url("/v1/from"))).await.unwrap_err();
    assert!(matches!(error, EgressError::RateExceeded { .. }), "{error}");
    assert_eq!(server.seen().len(), 1);
}
