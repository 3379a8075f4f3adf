//! The root of the image: what the `Dockerfile`'s last stage copies, and nothing else. CI starts the
//! binary in the same tree, so that a missing library or folder is found before a deployment.

mod fly;
mod memory;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    checkout::Checkout,
    command::Run as _,
    guests::Guests,
    node::Node,
    process::Processes,
    step::{quiet_step, step},
};
use fly::Fly;
use memory::Limit;

/// Assemble the image's root in a folder, and with --try run the binary in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask rootfs /rootfs            what the Dockerfile's build stage does
  cargo xtask rootfs /tmp/root --try    start the binary in it, upload and call

--try changes the root, so it needs root or a kernel with user namespaces.")]
pub(crate) struct Args {
    /// The folder. Made anew: what it holds is removed.
    dir: PathBuf,
    /// Start `sophia serve` in it with the memory of fly.toml, upload a plugin and call it.
    #[arg(long = "try")]
    is_tried: bool,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<()> {
    assemble(checkout, &args.dir)?;
    if args.is_tried { try_in(checkout, &args.dir) } else { Ok(()) }
}

/// The step of CI.
pub(crate) fn try_out(checkout: &Checkout) -> Result<()> {
    let dir = checkout.target.join("rootfs");
    assemble(checkout, &dir)?;
    try_in(checkout, &dir)
}

fn assemble(checkout: &Checkout, dir: &Path) -> Result<()> {
    step("build the host", || {
        checkout.cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]).run()
    })?;
    quiet_step("assemble the root", |_| tree::assemble(&checkout.sophia(), dir))
}

fn try_in(checkout: &Checkout, root: &Path) -> Result<()> {
    let guests = Guests::new(checkout, ["hello", "echo"].map(str::to_owned).to_vec());
    guests.build_all()?;
    let fly = Fly::read(&checkout.root.join("fly.toml"))?;
    let limit = Limit::of(fly.memory_bytes);
    eprintln!("  {limit}");
    let scratch = tempfile::tempdir()?;
    let processes = Processes::watched()?;
    let node = quiet_step("start in that root, as an unprivileged user", |_| {
        Node::start(&processes, enter(root, &fly, &limit), scratch.path().join("node.log"))
    })?;
    ensure_is_confined(&node, root)?;
    quiet_step("upload and call an endpoint", |_| {
        node.upload("hello", &guests.path("hello"))?.ok()?;
        let answer = node.get("/x/hello/")?;
        ensure!(answer.status == 200, "hello answered {}", answer.status);
        Ok(())
    })?;
    quiet_step("upload and call a connector", |_| {
        node.upload("echo", &guests.path("echo"))?.ok()?;
        node.put("/v1/connections/echo/ci", &json!({ "config": {}, "credentials": {} }))?.ok()?;
        let sent = json!({ "n": 1 });
        let got = node.post("/v1/connectors/echo/ci/actions/echo", &sent)?.ok()?;
        ensure!(got == sent, "echo gave back {got}");
        Ok(())
    })?;
    quiet_step("stop, drained", |_| node.stop())?;
    eprintln!(
        "  most memory used: {}",
        limit.peak().map_or("not measured here".to_owned(), |peak| format!("{} MB", peak >> 20))
    );
    Ok(())
}

/// `sophia serve` in the root: its own mount namespace, the kernel's folders as a machine has them,
/// the memory limit, and the image's user.
fn enter(root: &Path, fly: &Fly, limit: &Limit) -> Command {
    const SCRIPT: &str = r#"set -eu
        for folder in proc dev sys; do mkdir -p "$ROOT/$folder"; mount --rbind "/$folder" "$ROOT/$folder"; done
        if [ -n "$CGROUP" ]; then echo $$ > "$CGROUP/cgroup.procs"; fi
        exec chroot $USERSPEC "$ROOT" /usr/local/bin/sophia serve"#;
    let is_root = rustix::process::geteuid().is_root();
    // Without root, a user namespace lends one; inside the root it is still only the caller.
    let (namespaces, userspec): (&[&str], _) = match is_root {
        true => (&["--mount"], format!("--userspec={0}:{0}", tree::UID)),
        false => (&["--mount", "--user", "--map-root-user"], String::new()),
    };
    let mut command = limit.wrapped("unshare");
    command.args(namespaces).args(["sh", "-c", SCRIPT]).env_clear().envs(&fly.env);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("SOPHIA_LISTEN", "127.0.0.1:0");
    command.env("ROOT", root).env("USERSPEC", userspec).env("CGROUP", limit.cgroup().unwrap_or(Path::new("")));
    command
}

/// The process really is where it should be; otherwise the test would prove nothing.
fn ensure_is_confined(node: &Node, root: &Path) -> Result<()> {
    let proc = PathBuf::from(format!("/proc/{}", node.process().pid().as_raw_nonzero()));
    let seen = fs::read_link(proc.join("root")).context("cannot see the node's root")?;
    ensure!(seen == fs::canonicalize(root)?, "the node's root is {}", seen.display());
    let status = fs::read_to_string(proc.join("status"))?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().next());
    ensure!(uid.is_some_and(|uid| uid != "0"), "the node runs as root");
    Ok(())
}
