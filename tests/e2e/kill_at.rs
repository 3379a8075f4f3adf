//! The tool of the crash tests, tried on a program that is simple enough to know its writes.

use std::path::Path;

use sophia_tests::{KillSwitch, Write};
use tokio::process::Command;

pub(crate) const KILL_AT: &str = env!("CARGO_BIN_EXE_kill-at");

/// Whether this machine lets us trace a process; says so aloud where it does not.
pub(crate) async fn can_trace() -> bool {
    let (switch, data) = (KillSwitch::new(KILL_AT), tempfile::tempdir().unwrap());
    let output = switch.command(Path::new("true"), data.path()).output().await.unwrap();
    if !output.status.success() {
        println!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// Two files made, filled and one renamed: five writes.
const SCRIPT: &str = "echo one > a; echo two > b; exec mv a c";

async fn run(at: Option<usize>) -> (Vec<String>, Vec<Write>) {
    let data = tempfile::tempdir().unwrap();
    let switch = KillSwitch::new(KILL_AT);
    switch.arm(at);
    let mut command: Command = switch.command(Path::new("sh"), data.path());
    let status = command.args(["-c", SCRIPT]).current_dir(&data).status().await.unwrap();
    assert_eq!(status.code(), Some(if at.is_some() { 128 + 9 } else { 0 }));
    let files = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<String> = files
        .map(|f| format!("{}={}", f.file_name().display(), std::fs::read_to_string(f.path()).unwrap().trim()))
        .collect();
    files.sort();
    (files, switch.writes())
}

#[tokio::test]
async fn kills_before_exactly_the_write_that_was_named() {
    if !can_trace().await {
        return;
    }
    let (files, writes) = run(None).await;
    assert_eq!(files, ["b=two", "c=one"]);
    let writes: Vec<&str> = writes.iter().map(|write| write.what.as_str()).collect();
    assert_eq!(writes, ["create", "write a", "create", "write b", "rename"]);

    for (at, left) in [(1, vec![]), (2, vec!["a="]), (3, vec!["a=one"]), (5, vec!["a=one", "b=two"])] {
        let (files, writes) = run(Some(at)).await;
        assert_eq!(files, left, "killed before write {at}");
        assert_eq!(writes.len(), at);
        assert!(writes.last().unwrap().was_killed);
    }
}
