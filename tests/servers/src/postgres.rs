//! Postgres.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Link, account::Account, server::Server};

/// A Postgres server with one empty database.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    programs: PathBuf,
    dir: TempDir,
    n_links: AtomicUsize,
}

/// The socket's number; in a directory of our own nobody else has it.
const PORT: &str = "5432";

impl Postgres {
    /// Starts one.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let programs = programs();
        // Its account must come through to the data below.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).expect("permissions");
        fs::DirBuilder::new().mode(0o700).create(dir.path().join("data")).expect("a directory");
        if let Some(account) = Account::needed() {
            account.own(dir.path());
            account.own(&dir.path().join("data"));
        }
        let made = as_account(Command::new(programs.join("initdb")).current_dir("/"))
            .args(["--username=sophia", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--wal-segsize=1", "--pgdata"])
            .arg(dir.path().join("data"))
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let server = start(&programs, dir.path());
        Self { server, programs, dir, n_links: AtomicUsize::new(0) }
    }

    /// Where it is, as the configuration says it.
    pub fn url(&self) -> String {
        url(self.dir.path())
    }

    /// A way to it that can be cut, and where that is.
    pub fn link(&self) -> (Link, String) {
        let dir = self.dir.path().join(format!("link-{}", self.n_links.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&dir).expect("a directory");
        (Link::new(&socket(&dir), &socket(self.dir.path())), url(&dir))
    }

    /// Ends it as a crash would, and starts it again.
    pub fn restart(&mut self) {
        self.server.end(Signal::QUIT);
        self.server = start(&self.programs, self.dir.path());
    }

    /// Ends it as a crash would.
    pub fn stop(&mut self) {
        self.server.end(Signal::QUIT);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, with its children; a kill would leave those, and its shared memory.
        self.stop();
    }
}

fn url(dir: &Path) -> String {
    let encoded = dir.to_str().expect("a path of ASCII").replace('/', "%2F");
    format!("postgres://sophia@{encoded}:{PORT}/postgres")
}

fn socket(dir: &Path) -> PathBuf {
    dir.join(format!(".s.PGSQL.{PORT}"))
}

fn start(programs: &Path, dir: &Path) -> Server {
    let mut command = Command::new(programs.join("postgres"));
    as_account(command.current_dir("/")).arg("-D").arg(dir.join("data")).arg("-k").arg(dir).args([
        "-c",
        "listen_addresses=",
        // What a crash of the machine would lose is not what these tests are about.
        "-c",
        "fsync=off",
        "-c",
        "shared_buffers=16MB",
    ]);
    Server::start(&mut command, &dir.join("log"), || is_ready(programs, dir))
}

fn is_ready(programs: &Path, dir: &Path) -> bool {
    let mut command = Command::new(programs.join("pg_isready"));
    command.args(["--quiet", "--port", PORT, "--host"]).arg(dir);
    command.status().is_ok_and(|status| status.success())
}

fn as_account(command: &mut Command) -> &mut Command {
    if let Some(account) = Account::needed() {
        account.run(command);
    }
    command
}

/// Debian keeps them by version, and off the path.
fn programs() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
    versions.sort_by_key(|version| version.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    let debian = versions.into_iter().rev().map(|version| version.path().join("bin"));
    let has_it = |dir: &PathBuf| dir.join("initdb").is_file();
    let found = debian.chain(std::env::split_paths(OsStr::new(&on_path))).find(has_it);
    found.expect("Postgres: install Debian's package `postgresql`, or run `cargo xtask test`, which does")
}
