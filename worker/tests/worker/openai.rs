//! OpenAI's own Python package, as it comes, in an environment of its own beside the build.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::world::{WORKER, Worker};

/// The version that the script was written against.
const PACKAGE: &str = "openai==3.54.0";

#[test]
fn the_openai_package_works_unmodified() {
    let python = environment();
    let worker = Worker::shared();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openai_client.py");
    let done = Command::new(python).arg(script).arg(format!("{}/v1", worker.url())).output().unwrap();
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}");
}

/// The interpreter of a virtual environment that has the package.
fn environment() -> PathBuf {
    let directory = Path::new(WORKER).ancestors().nth(2).unwrap().join("openai-venv");
    let python = directory.join("bin/python");
    let has_package = || Command::new(&python).args(["-c", "import openai"]).status().is_ok_and(|done| done.success());
    if !has_package() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]));
    }
    python
}

fn run(command: &mut Command) {
    let done = command.status().unwrap();
    assert!(done.success(), "{command:?}");
}
