use std::{
    ffi::OsStr,
    process::{Output, Stdio},
};

use serde_json::Value;
use tokio::process::Command;

use crate::{Caller, paths::guest_path, sophia};

impl Caller {
    /// Runs `sophia` against the node, as somebody at a shell with its URL and key would.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        self.command(sophia()).args(arguments).output().await.expect("the CLI runs")
    }

    /// Runs `sophia … --json`, which must end with this code, and answers what it wrote.
    pub async fn cli_json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.cli(&[arguments, &["--json"]].concat()).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "sophia {arguments:?}\n{out}{err}");
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: sophia {arguments:?} wrote {out:?}"))
    }

    /// Where a guest's file lies, for commands that take a path.
    pub fn guest_file(&self, name: &str) -> String {
        guest_path(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// A command with the node's URL and key, and nothing else of ours, in its environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("SOPHIA_SERVER", self.base()).env_remove("SOPHIA_OPERATOR_KEY").stdin(Stdio::null());
        match self.key() {
            Some(key) => command.env("SOPHIA_KEY", key),
            None => command.env_remove("SOPHIA_KEY"),
        };
        command
    }
}
