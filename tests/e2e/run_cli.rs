//! Runs by the command line.

use serde_json::Value;

use crate::{
    runs::{node, wait_for_chats},
    upstream::{Mood, Upstream},
};

#[tokio::test]
async fn the_command_line_runs_shows_and_cancels() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    let text = |output: &std::process::Output| String::from_utf8(output.stdout.clone()).unwrap();
    let ran = node.cli(&["swarm", "run", "swarm", "--arguments", r#"{"do": "agents"}"#]).await;
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let outcome: Value = serde_json::from_str(&text(&ran)).unwrap();
    assert_eq!(outcome["said"].as_array().unwrap().len(), 2, "in a pipe it is the outcome and nothing else");
    assert!(ran.stderr.is_empty(), "and quiet beside it: {ran:?}");

    let trapped = node.cli(&["swarm", "run", "swarm", "--arguments", r#"{"do": "trap"}"#]).await;
    assert_eq!(trapped.status.code(), Some(1));
    let said = String::from_utf8(trapped.stderr.clone()).unwrap();
    assert!(said.contains("blame: plugin, fault: trap") && said.contains("sophia debug timeline run-"), "{said}");
    let wrong = node.cli(&["swarm", "run", "swarm", "--arguments", "{"]).await;
    assert_eq!(wrong.status.code(), Some(2));

    upstream.feels(Mood::Hang);
    let left = node.cli(&["swarm", "run", "swarm", "--arguments", r#"{"do": "wait"}"#, "--no-wait"]).await;
    let id = text(&left).trim().to_owned();
    let cancelled = node.cli_json(&["swarm", "cancel", &id], 0).await;
    assert_eq!(cancelled["status"], "cancelled");
    let list = text(&node.cli(&["swarm", "list", "--status", "cancelled"]).await);
    assert!(list.contains(&id) && list.lines().count() == 2, "{list}");
    let shown = text(&node.cli(&["swarm", "show", &id]).await);
    assert!(shown.contains(" cancelled in ") && shown.contains("blame: caller"), "{shown}");

    let all = node.get("/v1/runs").await.expect(200);
    let first = all["runs"][2]["id"].as_str().unwrap();
    for follow in [&[][..], &["--follow"]] {
        let timeline = text(&node.cli(&[&["debug", "timeline", first][..], follow].concat()).await);
        for part in
            ["  0.000 s  swarm_start", "    agent_start  optimist (0.0)", "cost_update  sceptic (0.1)", "swarm_end"]
        {
            assert!(timeline.contains(part), "{part} in {timeline}");
        }
    }
    let json = node.cli_json(&["debug", "timeline", first], 0).await;
    assert_eq!(json["summary"]["events"], json["events"].as_array().unwrap().len());
    assert_eq!(node.cli(&["debug", "timeline", "run-of-nobody"]).await.status.code(), Some(1));
    node.stop().await;
}

#[tokio::test]
async fn ctrl_c_cancels_the_run_that_is_waited_for() {
    let upstream = Upstream::start().await;
    let node = node(&upstream).await;
    upstream.feels(Mood::Hang);
    let mut command = node.command(sophia_tests::sophia());
    command.args(["swarm", "run", "swarm", "--arguments", r#"{"do": "wait"}"#]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_for_chats(&upstream, 1).await;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("the run was cancelled"));
    let runs = node.get("/v1/runs").await.expect(200);
    assert_eq!(runs["runs"][0]["status"], "cancelled");
    node.stop().await;
}
