//! A request can be followed from the caller through node and guest to the vendor.

use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use reqwest::{Body, Method};
use serde_json::json;
use sophia_standins::{
    hubspot::{HubSpot, Options},
    otlp::{Collector, Span},
};
use sophia_tests::{Node, Reply, Setup, guest};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

async fn node(setup: Setup, portal: &HubSpot) -> Node {
    let node = setup.with_hubspot(portal).start().await;
    node.deploy("fetcher", &guest("fetcher")).await;
    node.connect("fetcher", "main", json!({}), json!({})).await.expect(200);
    node
}

async fn traced_fetch(node: &Node) -> Reply {
    let request = node.request(Method::POST, "/v1/connectors/fetcher/main/actions/fetch");
    let traced = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    node.send(traced.json(&json!({"url": "https://api.hubapi.com/crm/v3/owners"}))).await
}

#[tokio::test]
async fn a_callers_trace_goes_through_to_the_vendor() {
    let portal = HubSpot::start(Options::for_token("pat")).await.unwrap();
    let node = node(Setup::new(), &portal).await;
    let answer = traced_fetch(&node).await;
    assert_eq!(answer.header("x-request-id"), TRACE);
    let seen = portal.seen().pop().unwrap();
    let sent = seen.header("traceparent").unwrap();
    assert!(sent.starts_with(&format!("00-{TRACE}-")), "{sent}");

    // Without one the node begins a trace, and its id is the request's.
    let answer = node.act("fetcher/main", "fetch", json!({"url": "https://api.hubapi.com/crm/v3/owners"})).await;
    let seen = portal.seen().pop().unwrap();
    assert!(seen.header("traceparent").unwrap().starts_with(&format!("00-{}-", answer.header("x-request-id"))));
    node.stop().await;
}

#[tokio::test]
async fn spans_from_request_to_vendor_are_exported_as_one_chain() {
    let collector = Collector::start().await.unwrap();
    let portal = HubSpot::start(Options::for_token("pat")).await.unwrap();
    let setup = Setup::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint());
    let node = node(setup, &portal).await;
    traced_fetch(&node).await.expect(200);
    let is_here = |spans: &[Span]| spans.iter().any(|span| span.trace == TRACE && span.parent == PARENT);
    let spans = collector.wait_for(Duration::from_secs(30), is_here).await;
    let of_trace: Vec<&Span> = spans.iter().filter(|span| span.trace == TRACE).collect();

    let mut chain = Vec::new();
    let mut parent = PARENT.to_owned();
    while let Some(span) = of_trace.iter().find(|span| span.parent == parent) {
        chain.push(span.name.as_str());
        parent.clone_from(&span.id);
    }
    assert_eq!(chain, ["connector.act", "call", "http.send", "egress"], "{of_trace:?}");
    // The vendor was told the innermost of them, or one above it in the chain.
    let sent = portal.seen().pop().unwrap().header("traceparent").unwrap().to_owned();
    assert!(of_trace.iter().any(|span| sent.contains(&span.id)), "{sent} is none of {of_trace:?}");
    node.stop().await;
}

#[tokio::test]
async fn a_collector_that_is_away_disturbs_nobody() {
    let node = Setup::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").start().await;
    node.deploy("hello", &guest("hello")).await;
    assert_eq!(node.get("/x/hello/").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn what_a_streamed_answer_cost_is_in_its_access_line() {
    let node = Setup::new().start().await;
    let endpoints = [("hello", "/x/hello/stream"), ("wasi02", "/x/wasi02/"), ("wasi03", "/x/wasi03/")];
    for (name, path) in endpoints {
        node.deploy(name, &guest(name)).await;
        for is_read_to_its_end in [true, false] {
            let (pieces, body) = mpsc::unbounded::<Result<Bytes, std::io::Error>>();
            pieces.unbounded_send(Ok(Bytes::from("piece"))).unwrap();
            let request = node.request(Method::POST, path).body(Body::wrap_stream(body));
            let mut answer = request.send().await.unwrap();
            assert_eq!(answer.chunk().await.unwrap().unwrap(), "piece", "{name}");
            if is_read_to_its_end {
                drop(pieces);
                assert_eq!(answer.chunk().await.unwrap(), None, "{name}");
            }
        }
    }
    let log = node.stop_and_log().await;
    for (name, path) in endpoints {
        let begins = format!("POST {path} 200 ");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&begins)).collect();
        assert_eq!(lines.len(), 2, "{name}: {log}");
        for line in lines {
            assert!(number(line, "cpu_us") > 0, "{line}");
            assert!(number(line, "wall_us") >= number(line, "overhead_us"), "{line}");
            assert!(line.contains(&format!("plugin={name} ")), "{line}");
        }
    }
}

/// A number of an access line.
fn number(line: &str, field: &str) -> u64 {
    let value = line.split(' ').find_map(|part| part.strip_prefix(field)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {field} in {line}"))
}
