//! What probes, load balancers and dashboards see, and what every answer carries.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sophia_tests::{Setup, guest};
use tokio::time::timeout;

#[tokio::test]
async fn probes_need_no_key() {
    let node = Setup::new().start().await;
    let nobody = node.with_key(None);
    assert_eq!(nobody.get("/live").await.expect(200)["status"], "live");
    assert_eq!(nobody.get("/ready").await.expect(200)["status"], "ready");
    let health = nobody.get("/health").await.expect(200);
    assert_eq!((&health["status"], &health["components"]["store"]["status"]), (&json!("ok"), &json!("ok")));
    node.stop().await;
}

#[tokio::test]
async fn metrics_are_an_openmetrics_page_that_counts_calls() {
    let node = Setup::new().start().await;
    node.deploy("hello", &guest("hello")).await;
    for _ in 0..3 {
        node.get("/x/hello/").await.expect_text(200);
    }
    // A call is counted when its guest is gone, which may be a moment after its answer's last byte.
    let text = timeout(Duration::from_secs(60), async {
        loop {
            let page = node.get("/metrics").await;
            assert!(page.header("content-type").starts_with("application/openmetrics-text"), "{:?}", page.headers);
            let text = page.expect_text(200);
            if text.contains("sophia_calls_total{plugin=\"hello\",outcome=\"ok\"} 3\n") {
                return text;
            }
        }
    });
    let text = text.await.expect("three calls on the page");
    assert!(text.ends_with("# EOF\n"));
    let cpu = text.lines().find_map(|line| line.strip_prefix("sophia_call_cpu_seconds_total{plugin=\"hello\"} "));
    assert!(cpu.unwrap().parse::<f64>().unwrap() > 0.0, "{text}");
    assert!(text.contains("sophia_call_seconds_bucket{le=\"+Inf\",plugin=\"hello\"} 3\n"), "{text}");
    for metric in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = metric.split_once(' ').unwrap();
        assert!(name.starts_with("sophia_"), "{metric}");
        assert!(kind != "histogram" || name.ends_with("_seconds") || name.ends_with("_bytes"), "{metric}");
    }
    node.with_key(Some("sophia_op_wrong")).get("/live").await.expect(200);
    node.stop().await;
}

#[tokio::test]
async fn the_configuration_has_a_tag_that_changes_with_it() {
    let node = Setup::new().start().await;
    let first = node.get("/config").await;
    first.expect(200);
    let tagged =
        async |tag: &str| node.send(node.request(Method::GET, "/config").header("if-none-match", tag.to_owned())).await;
    let same = tagged(first.header("etag")).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    node.deploy("hello", &guest("hello")).await;
    let changed = tagged(first.header("etag")).await;
    assert_eq!(changed.expect(200)["plugins"][0]["name"], "hello");
    assert_ne!(changed.header("etag"), first.header("etag"));
    let public = node.with_key(None).get("/config").await.expect(200);
    assert_eq!(public["plugins"], json!(null), "what is there is for those with a key");
    node.stop().await;
}

#[tokio::test]
async fn every_answer_says_which_request_it_is_for_and_what_the_host_cost() {
    let node = Setup::new().start().await;
    node.deploy("hello", &guest("hello")).await;
    let mut ids = Vec::new();
    for path in ["/live", "/config", "/x/hello/", "/v1/plugins", "/v1/plugins/nobody", "/nowhere", "/x/nobody/"] {
        let answer = node.get(path).await;
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}: {:?}", answer.headers);
        assert!(answer.header("x-sophia-overhead-us").parse::<u64>().is_ok(), "{path}: {:?}", answer.headers);
        ids.push(answer.header("x-request-id").to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7);
    node.get("/nowhere").await.problem_at("route", 404, "no-route");
    node.post("/v1/plugins", json!({})).await.problem_at("route", 405, "method-not-allowed");
    node.get("/v1/connectors/a/b/check").await.problem_at("route", 405, "method-not-allowed");
    node.stop().await;
}

#[tokio::test]
async fn a_node_shows_its_key_once_and_takes_it_from_then_on() {
    let data = tempfile::tempdir().unwrap();
    let first = first_lines(data.path()).await;
    let key = first.iter().find_map(|line| line.strip_prefix("operator key (shown once): ")).unwrap();
    assert!(key.starts_with("sophia_op_"));
    let second = first_lines(data.path()).await;
    assert!(!second.iter().any(|line| line.contains("sophia_op_")), "{second:?}");
}

/// What a node without a configured key says until it listens.
async fn first_lines(data: &std::path::Path) -> Vec<String> {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut child = tokio::process::Command::new(sophia_tests::sophia())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env_remove("SOPHIA_OPERATOR_KEY")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let is_last = line.starts_with("sophia listening on ");
        said.push(line);
        if is_last {
            break;
        }
    }
    child.kill().await.unwrap();
    said
}
