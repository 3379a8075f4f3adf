use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{Guest, Guests, embed, venv::Venv};
use crate::command::Run as _;

/// A guest in JavaScript: `tests/guests/js/{folder}/{folder}.js` with its `plugin.toml`.
struct Script {
    name: &'static str,
    folder: &'static str,
    world: &'static str,
    wit: &'static str,
}

const SCRIPTS: [Script; 2] = [
    Script { name: "js-hello", folder: "hello", world: "endpoint", wit: "tests/guests/wit" },
    Script { name: "js-connector", folder: "connector", world: "connector", wit: "wit" },
];

/// What `engines` in `package.json` says.
const OLDEST_NODE: u32 = 20;
const LOCKED: [&str; 2] = ["package.json", "package-lock.json"];
const COMPONENTIZE: &str = "node_modules/@bytecodealliance/componentize-js/src/cli.js";

/// Builds each with componentize-js.
pub(crate) fn build(guests: &Guests) -> Result<()> {
    SCRIPTS.iter().try_for_each(|script| build_one(guests, script))
}

fn build_one(guests: &Guests, script: &Script) -> Result<()> {
    let root = guests.checkout.root.join("tests/guests/js");
    let folder = root.join(script.folder);
    let wit = guests.checkout.root.join(script.wit);
    let mut sources = vec![folder.clone(), wit.clone()];
    sources.extend(LOCKED.map(|file| root.join(file)));
    guests.make(&Guest { name: script.name, sources: &sources, target: None }, |out| {
        let tools = guests.cache.join("js");
        let node = node(guests, &root)?;
        install(&node, &root, &tools)?;
        let mut componentize = Command::new(node.node);
        componentize.current_dir(&folder).arg(tools.join(COMPONENTIZE)).arg(format!("{}.js", script.folder));
        componentize.arg("--wit").arg(wit).args(["--world-name", script.world]).arg("--out").arg(out);
        componentize.run()?;
        embed::append(&folder.join("plugin.toml"), out)
    })
}

/// Node.js and its package manager.
struct Node {
    node: PathBuf,
    npm: PathBuf,
}

/// The machine's own, where it is recent enough; else a pinned one from a Python wheel, because a
/// distribution's package is often too old (18 in Debian 12 and Ubuntu 24.04).
fn node(guests: &Guests, root: &Path) -> Result<Node> {
    let installed = Node { node: "node".into(), npm: "npm".into() };
    if major_version(&installed).is_some_and(|major| major >= OLDEST_NODE) {
        return Ok(installed);
    }
    let venv = Venv::open(&guests.cache.join("node"), &root.join("requirements.txt"))?;
    Ok(Node { node: venv.program("node"), npm: venv.program("npm") })
}

fn major_version(node: &Node) -> Option<u32> {
    Command::new(&node.npm).arg("--version").run_quietly().ok()?;
    let version = Command::new(&node.node).arg("--version").read().ok()?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Installs what the lock file names into `tools`, at the first use and when the lock changes. No
/// package needs to run a script of its own for that.
fn install(node: &Node, root: &Path, tools: &Path) -> Result<()> {
    let is_same = |file: &&str| fs::read(root.join(file)).ok() == fs::read(tools.join(file)).ok();
    let finished = tools.join("installed");
    if finished.is_file() && LOCKED.iter().all(is_same) {
        return Ok(());
    }
    eprintln!("  installing componentize-js into {}", tools.display());
    fs::create_dir_all(tools)?;
    let _ = fs::remove_file(&finished); // there is none before the first install
    for file in LOCKED {
        fs::copy(root.join(file), tools.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let mut npm = Command::new(&node.npm);
    npm.current_dir(tools).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).run_quietly()?;
    fs::write(finished, "").map_err(Into::into)
}
