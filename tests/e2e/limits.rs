//! Every limit is met by a guest that goes over it, and nobody else notices.

use reqwest::Method;
use serde_json::{Value, json};
use sophia_standins::hubspot::{Fault, HubSpot, Options};
use sophia_tests::{Node, Setup, guest};

async fn node(setup: Setup, name: &str) -> Node {
    let node = setup.start().await;
    node.deploy("hello", &guest("hello")).await;
    node.deploy(name, &guest(name)).await;
    node.connect(name, "main", json!({}), json!({})).await.expect(200);
    node
}

/// The action must end in this fault, by the plugin's blame, and the neighbour must not notice.
async fn faults(node: &Node, plugin: &str, action: &str, status: u16, fault: &str) -> Value {
    let problem = node.act(&format!("{plugin}/main"), action, json!({})).await.problem(status, "fault");
    assert_eq!((&problem["fault"], &problem["blame"]), (&json!(fault), &json!("plugin")), "{plugin} {action}");
    assert_eq!(problem["step"], if fault == "limit-response" { "reply" } else { "call" }, "{plugin} {action}");
    assert_eq!(node.get("/x/hello/").await.status, 200, "after {plugin} {action}");
    problem
}

#[tokio::test]
async fn computing_without_end_is_stopped() {
    let node = node(Setup::new(), "spin").await;
    faults(&node, "spin", "spin", 502, "limit-cpu").await;
    node.check("spin/main").await.expect(200);
    node.stop().await;
}

#[tokio::test]
async fn taking_more_than_it_may_is_stopped() {
    let node = node(Setup::new(), "greedy").await;
    faults(&node, "greedy", "grow", 502, "limit-memory").await;
    faults(&node, "greedy", "answer", 502, "limit-response").await;
    faults(&node, "greedy", "ask", 502, "limit-host-calls").await;
    node.stop().await;
}

#[tokio::test]
async fn logging_more_than_it_may_is_cut_and_said() {
    let node = node(Setup::new(), "greedy").await;
    assert_eq!(node.act("greedy/main", "chatter", json!({})).await.expect(200)["lines"], 100);
    let logs = node.get("/v1/plugins/greedy/logs").await.expect(200);
    let lines = logs["lines"].as_array().unwrap();
    let bytes: usize = lines.iter().map(|line| line["message"].as_str().unwrap().len()).sum();
    assert!((1..100).contains(&lines.len()) && bytes <= 4 << 10, "{} lines, {bytes} bytes", lines.len());
    let last = lines.last().unwrap()["message"].as_str().unwrap();
    assert!(last.contains("dropped"), "the last line is {last:?}");
    node.stop().await;
}

#[tokio::test]
async fn a_trap_is_the_plugins_fault_and_its_message_is_in_its_log() {
    let node = node(Setup::new(), "trapper").await;
    let problem = faults(&node, "trapper", "panic", 502, "trap").await;
    assert!(!problem.to_string().contains("what the log should say"), "a caller saw the plugin's inside: {problem}");
    faults(&node, "trapper", "recurse", 502, "limit-stack").await;
    let logs = node.get("/v1/plugins/trapper/logs").await.expect(200);
    let says = |line: &Value| line["message"].as_str().unwrap().contains("this is what the log should say");
    let line = logs["lines"].as_array().unwrap().iter().find(|line| says(line)).expect("the panic's message");
    assert_eq!(line["request_id"], problem["request_id"]);
    node.stop().await;
}

#[tokio::test]
async fn waiting_without_end_is_stopped() {
    let portal = HubSpot::start(Options::for_token("pat")).await.unwrap();
    let setup = Setup::new().with_hubspot(&portal).set(&["limits", "wall"], "300ms");
    let node = node(setup, "fetcher").await;
    portal.fail_always(Fault::Stall);
    let fetch = json!({"url": "https://api.hubapi.com/crm/v3/owners"});
    let reply = node.act("fetcher/main", "fetch", fetch).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    assert_eq!(node.get("/x/hello/").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_request_larger_than_the_plugin_takes_is_refused() {
    let node = node(Setup::new().set(&["limits", "request"], "64KiB"), "fetcher").await;
    let large = json!({"url": "https://api.hubapi.com/", "body": "x".repeat(100_000)});
    let problem = node.act("fetcher/main", "fetch", large).await.problem_at("request", 413, "body-too-large");
    assert_eq!(problem["blame"], "caller");
    let body = vec![b'x'; 100_000];
    let reply = node.send(node.request(Method::POST, "/x/hello/").body(body)).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    node.stop().await;
}
