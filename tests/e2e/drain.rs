//! A node that is told to stop ends what it began.

use nix::sys::signal::Signal;
use serde_json::json;
use sophia_standins::hubspot::{Fault, Gate, HubSpot, Options};
use sophia_tests::{Setup, guest};

#[tokio::test]
async fn ends_the_calls_in_flight_and_takes_no_new_ones() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let portal = HubSpot::start(Options::for_token("pat-drain")).await.unwrap();
        let node = Setup::new().with_hubspot(&portal).start().await;
        node.deploy("fetcher", &guest("fetcher")).await;
        node.put_secret("token", "pat-drain", &["https://api.hubapi.com/*"]).await.expect(200);
        node.connect("fetcher", "main", json!({}), json!({"token": "token"})).await.expect(200);

        let gate = Gate::closed();
        portal.fail_next(Fault::Wait(gate.clone()));
        let caller = (*node).clone();
        let call = tokio::spawn(async move {
            caller.act("fetcher/main", "fetch", json!({"url": "https://api.hubapi.com/crm/v3/owners"})).await
        });
        gate.reached().await;
        node.signal(signal);
        while node.try_send(node.request(http::Method::GET, "/ready")).await.is_ok_and(|ready| ready.status == 200) {}
        assert!(!call.is_finished());
        gate.open();
        assert_eq!(call.await.unwrap().expect(200)["status"], 200);
        let status = node.ended().await;
        assert!(status.success(), "{signal}: {status}");
    }
}

#[tokio::test]
async fn gives_up_on_a_call_that_outlasts_the_drain() {
    let portal = HubSpot::start(Options::for_token("pat-drain")).await.unwrap();
    let node = Setup::new().with_hubspot(&portal).set(&["http", "drain"], "200ms").start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    node.connect("fetcher", "main", json!({}), json!({})).await.expect(200);
    let gate = Gate::closed();
    portal.fail_next(Fault::Wait(gate.clone()));
    let caller = (*node).clone();
    let call = tokio::spawn(async move {
        let request = caller.request(http::Method::POST, "/v1/connectors/fetcher/main/actions/fetch");
        caller.try_send(request.json(&json!({"url": "https://api.hubapi.com/crm/v3/owners"}))).await
    });
    gate.reached().await;
    node.signal(Signal::SIGTERM);
    node.ended().await;
    assert!(call.await.unwrap().map_or(true, |reply| reply.status >= 500));
}
