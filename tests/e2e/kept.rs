//! What a node keeps can be lost or changed while it is down: by a disk, a backup, somebody with
//! a hand in the folder. It runs what a digest names or nothing, and only that plugin notices.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sophia_tests::{Caller, DataDir, Node, Setup, guest, variant, without_manifest};

const SAYS: &str = "Hello from Sophia!\n";
/// The end of what `hello` says, as it stands in the component and in its compiled code.
const FROM: &[u8] = b"from Sophia!";
/// As long, and another.
const FROM_ELSEWHERE: &[u8] = b"from nobody!";
/// Said once for each compiled form that is not taken.
const NOT_TAKEN: &str = "compiled code cannot be used and is made again";

/// The files that a node keeps of a version.
struct Kept {
    component: PathBuf,
    code: PathBuf,
}

impl Kept {
    fn of(data: &DataDir, digest: &str) -> Self {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = data.path().join("blobs");
        let code = fs::read_dir(blobs.join("aot")).unwrap().map(|entry| entry.unwrap().path());
        let mut code = code.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(hex));
        Self { component: blobs.join("wasm").join(hex), code: code.next().expect("compiled code") }
    }
}

/// Makes `hello` say something else. Nothing but the greeting changes, so that whoever runs it says so.
fn falsify(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(FROM.len()).position(|window| window == FROM).expect("the greeting is in the file");
    bytes[at..at + FROM.len()].copy_from_slice(FROM_ELSEWHERE);
    fs::write(path, bytes).unwrap();
}

/// The data of a node that has stopped, with `hello` and a neighbour on it, and the files of `hello`.
async fn stopped() -> (DataDir, Kept) {
    let node = Setup::new().start().await;
    let digest = node.deploy("hello", &guest("hello")).await;
    node.deploy("wasi02", &guest("wasi02")).await;
    let data = node.data().clone();
    node.stop().await;
    let kept = Kept::of(&data, &digest);
    (data, kept)
}

async fn start(data: &DataDir) -> Node {
    let node = Setup::new().on(data).start().await;
    node.get("/ready").await.expect(200);
    assert_eq!(node.get("/x/wasi02/").await.status, 200, "the neighbour does not answer");
    node
}

/// How `hello` stands in the list.
async fn listed(node: &Caller) -> Value {
    let list = node.get("/v1/plugins").await.expect(200);
    list["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "hello").unwrap().clone()
}

/// `hello` does not answer, and whoever asks is told so.
async fn has_failed(node: &Caller) {
    let listed = listed(node).await;
    assert_eq!(listed["state"], "failed", "{listed}");
    assert!(listed["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{listed}");
    let inspected = node.get("/v1/plugins/hello").await.expect(200);
    assert_eq!((&inspected["state"], &inspected["reason"]), (&json!("failed"), &listed["reason"]));
    let versions = node.get("/v1/plugins/hello/versions").await.expect(200);
    assert_eq!(versions["versions"][0]["state"], "failed", "{versions}");
    let plugins = node.get("/health").await.expect(200)["components"]["plugins"].clone();
    assert_eq!(plugins, json!({"status": "degraded", "live": 1, "failed": 1}));
    let problem = node.get("/x/hello/").await.problem_at("lookup", 503, "not-loaded");
    assert_eq!(problem["blame"], "host", "{problem}");
}

/// `hello` answers what it was uploaded with.
async fn answers(node: &Caller) {
    assert_eq!(node.get("/x/hello/").await.expect_text(200), SAYS);
    let listed = listed(node).await;
    assert_eq!((&listed["state"], &listed["reason"]), (&json!("live"), &Value::Null), "{listed}");
}

async fn upload_again(node: &Caller) {
    assert_eq!(node.put_plugin("hello", &guest("hello")).await.expect(201)["state"], "live");
    answers(node).await;
}

#[tokio::test]
async fn compiled_code_that_was_changed_is_never_run_and_is_made_again() {
    let (data, kept) = stopped().await;
    falsify(&kept.code);
    let node = start(&data).await;
    answers(&node).await;
    node.stop().await;

    // The next start finds what this one made, and has nothing to say.
    let node = start(&data).await;
    answers(&node).await;
    let log = node.stop_and_log().await;
    assert_eq!(log.matches(NOT_TAKEN).count(), 1, "{log}");
}

#[tokio::test]
async fn compiled_code_that_is_gone_is_made_again() {
    let (data, kept) = stopped().await;
    fs::remove_file(&kept.code).unwrap();
    let node = start(&data).await;
    answers(&node).await;
    node.stop().await;
    assert!(kept.code.is_file(), "the next start compiles it again");
}

#[tokio::test]
async fn a_version_whose_files_are_gone_fails_alone_and_is_back_with_the_next_upload() {
    let (data, kept) = stopped().await;
    fs::remove_file(&kept.code).unwrap();
    fs::remove_file(&kept.component).unwrap();
    let node = start(&data).await;
    has_failed(&node).await;
    upload_again(&node).await;
    node.stop().await;

    let node = start(&data).await;
    answers(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_failed_version_answers_once_its_file_is_back() {
    let (data, kept) = stopped().await;
    let aside = data.path().join("aside");
    fs::remove_file(&kept.code).unwrap();
    fs::rename(&kept.component, &aside).unwrap();
    let node = start(&data).await;
    has_failed(&node).await;
    node.stop().await;

    fs::rename(aside, &kept.component).unwrap();
    let node = start(&data).await;
    answers(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_failed_version_gives_way_to_the_one_before() {
    let node = Setup::new().start().await;
    node.deploy("wasi02", &guest("wasi02")).await;
    node.deploy("hello", &guest("hello")).await;
    let second = node.deploy("hello", &variant(&guest("hello"), 2)).await;
    let data = node.data().clone();
    node.stop().await;
    let kept = Kept::of(&data, &second);
    fs::remove_file(&kept.code).unwrap();
    fs::remove_file(&kept.component).unwrap();
    let node = start(&data).await;
    has_failed(&node).await;
    node.post("/v1/plugins/hello/rollback", json!({})).await.expect(200);
    answers(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn two_plugins_of_the_same_bytes_do_not_need_each_other() {
    let bytes = without_manifest(&guest("hello"));
    let node = Setup::new().start().await;
    let digest = node.deploy("first", &bytes).await;
    assert_eq!(node.deploy("second", &bytes).await, digest);
    assert_eq!(node.get("/x/first/").await.expect_text(200), SAYS);
    assert_eq!(node.delete("/v1/plugins/first").await.status, 204);
    node.get("/x/first/").await.problem_at("lookup", 404, "unknown-plugin");
    assert_eq!(node.get("/x/second/").await.expect_text(200), SAYS);
    let data = node.data().clone();
    node.stop().await;

    // Both files are still there: the code is loaded, and where it is not, it is compiled again.
    let kept = Kept::of(&data, &digest);
    let node = Setup::new().on(&data).start().await;
    assert_eq!(node.get("/x/second/").await.expect_text(200), SAYS);
    node.stop().await;
    fs::remove_file(&kept.code).unwrap();
    let node = Setup::new().on(&data).start().await;
    assert_eq!(node.get("/x/second/").await.expect_text(200), SAYS);

    // The last one takes them with it.
    assert_eq!(node.delete("/v1/plugins/second").await.status, 204);
    assert!(!kept.component.exists() && !kept.code.exists());
    node.stop().await;
}

/// Half of it is no component any more.
fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

#[tokio::test]
async fn a_component_that_was_changed_is_not_run_and_is_back_with_the_next_upload() {
    for harm in [falsify, cut] {
        let (data, kept) = stopped().await;
        fs::remove_file(&kept.code).unwrap();
        harm(&kept.component);
        let node = start(&data).await;
        has_failed(&node).await;
        upload_again(&node).await;
        node.stop().await;

        // What is kept now is what was uploaded, component and code.
        fs::remove_file(&kept.code).unwrap();
        let node = start(&data).await;
        answers(&node).await;
        node.stop().await;
    }
}
