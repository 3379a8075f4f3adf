use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::{Guest, Guests, venv::Venv};
use crate::command::Run as _;

/// Where the world `endpoint` of other toolchains' guests is written down.
const WIT: &str = "tests/guests/wit";

/// Builds `py-hello` with componentize-py. It gets no manifest: a component without one must work.
pub(crate) fn build(guests: &Guests) -> Result<()> {
    let folder = guests.checkout.root.join("tests/guests/python");
    let wit = guests.checkout.root.join(WIT);
    let sources: [PathBuf; 2] = [folder.clone(), wit.clone()];
    guests.make(&Guest { name: "py-hello", sources: &sources, target: None }, |out| {
        let venv = Venv::open(&guests.cache.join("python"), &folder.join("requirements.txt"))?;
        let mut tool = Command::new(venv.program("componentize-py"));
        tool.current_dir(&folder).arg("--quiet").arg("--wit-path").arg(&wit).args(["--world", "endpoint"]);
        tool.args(["componentize", "app", "--python-path", ".", "--output"]).arg(out);
        tool.run()
    })
}
