//! Redis.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Link, server::Server};

/// A Redis server without persistence.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    dir: TempDir,
    n_links: AtomicUsize,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let server = start(dir.path());
        Self { server, dir, n_links: AtomicUsize::new(0) }
    }

    /// Where it is, as the configuration says it.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("socket").display())
    }

    /// A way to it that can be cut, and where that is.
    pub fn link(&self) -> (Link, String) {
        let socket = self.dir.path().join(format!("link-{}", self.n_links.fetch_add(1, Ordering::Relaxed)));
        (Link::new(&socket, &self.dir.path().join("socket")), format!("redis+unix://{}", socket.display()))
    }

    /// Kills it; what it held is lost.
    pub fn kill(&mut self) {
        self.server.end(Signal::KILL);
    }

    /// Starts it again, empty.
    pub fn restart(&mut self) {
        self.kill();
        self.server = start(self.dir.path());
    }
}

fn start(dir: &Path) -> Server {
    let socket = dir.join("socket");
    let mut command = Command::new("redis-server");
    command
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(dir);
    Server::start(&mut command, &dir.join("log"), || answers(&socket).is_ok_and(|answers| answers))
}

fn answers(socket: &Path) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    Ok(answer == *b"+PONG\r\n")
}
