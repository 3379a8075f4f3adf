//! The way to a server, which a test can cut: bytes then stand still, as when a cable is out, and
//! come through when it is healed.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// A socket that leads to another one.
#[derive(Debug)]
pub struct Link {
    socket: PathBuf,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    is_gone: AtomicBool,
}

/// How often a cut link is looked at.
const POLL: Duration = Duration::from_millis(5);

impl Link {
    /// Leads from a new socket to a server's.
    pub(crate) fn new(socket: &Path, to: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let state = Arc::new(State::default());
        let (accepting, to) = (state.clone(), to.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.is_gone.load(SeqCst) {
                    return;
                }
                let (state, to) = (accepting.clone(), to.clone());
                thread::spawn(move || lead(stream, &to, &state));
            }
        });
        Self { socket: socket.to_owned(), state }
    }

    /// Lets nothing more through.
    pub fn cut(&self) {
        self.state.is_cut.store(true, SeqCst);
    }

    /// Lets through what stood still, and what comes.
    pub fn heal(&self) {
        self.state.is_cut.store(false, SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.is_gone.store(true, SeqCst);
        // Wakes whoever accepts.
        let _ = UnixStream::connect(&self.socket);
    }
}

impl State {
    /// Waits while the link is cut; whether it is still there.
    fn pass(&self) -> bool {
        while self.is_cut.load(SeqCst) && !self.is_gone.load(SeqCst) {
            thread::sleep(POLL);
        }
        !self.is_gone.load(SeqCst)
    }
}

fn lead(near: UnixStream, to: &Path, state: &Arc<State>) {
    if !state.pass() {
        return;
    }
    let Ok(far) = UnixStream::connect(to) else { return };
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    let back = state.clone();
    thread::spawn(move || copy(far_too, near_too, &back));
    copy(near, far, state);
}

fn copy(mut from: UnixStream, mut to: UnixStream, state: &State) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if !state.pass() || to.write_all(buffer.get(..n).unwrap_or_default()).is_err() {
            break;
        }
    }
    // Both ends learn that it is over; one that is gone knows.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
