//! Where log and access lines go: a bounded buffer for each worker, written out by one thread.
//!
//! A request must never wait for a terminal, a pipe or a disk. It appends to the buffer of its
//! own thread under a lock that only the writing thread ever contends for, a few dozen
//! nanoseconds every [`BATCH`]. When the other end is slow the buffer fills; further lines are
//! counted, and the count is written as soon as there is room. Closing writes what is left.

use std::{
    io::Write,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

/// How long lines gather before they are written: long enough that a busy core switches threads
/// 20 times a second and no more, short enough for a person who watches.
const BATCH: Duration = Duration::from_millis(50);

/// Bytes that one buffer may hold: at 200 bytes a line, 100,000 requests a second for a batch.
const MAX_BUFFER_BYTES: usize = 1 << 20;

/// Capacity that an emptied buffer keeps.
const KEPT_BYTES: usize = 64 << 10;

/// The buffers. Built once at boot.
#[derive(Debug)]
pub(crate) struct Lines {
    buffers: Box<[Buffer]>,
    n_dropped: AtomicU64,
    has_lines: AtomicBool,
    is_closing: AtomicBool,
}

/// On its own cache lines, so that neighbours do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Buffer(Mutex<Vec<u8>>);

/// The thread that writes. Joined by [`Writer::close`].
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Arc<Lines>,
    thread: JoinHandle<()>,
}

/// Appends to the lines, and wakes the writer where that is due. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LineSink {
    lines: Arc<Lines>,
    writer: Thread,
}

/// Starts the writer on `out`, with buffers for `n_threads`.
pub(crate) fn start(out: impl Write + Send + 'static, n_threads: usize) -> std::io::Result<(LineSink, Writer)> {
    let lines = Arc::new(Lines {
        buffers: (0..n_threads.max(1)).map(|_| Buffer::default()).collect(),
        n_dropped: AtomicU64::new(0),
        has_lines: AtomicBool::new(false),
        is_closing: AtomicBool::new(false),
    });
    let thread = thread::Builder::new().name("lines".to_owned()).spawn({
        let lines = lines.clone();
        move || lines.write_until_closed(out)
    })?;
    Ok((LineSink { lines: lines.clone(), writer: thread.thread().clone() }, Writer { lines, thread }))
}

impl LineSink {
    /// Lets `write` append one line, its end included, or counts it as dropped.
    pub(crate) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        {
            let mut buffer = self.lines.own_buffer();
            if buffer.len() >= MAX_BUFFER_BYTES {
                self.lines.n_dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            write(&mut buffer);
        }
        if !self.lines.has_lines.load(Ordering::Relaxed) && !self.lines.has_lines.swap(true, Ordering::AcqRel) {
            self.writer.unpark();
        }
    }

    /// Lines dropped since the start, those not yet reported included.
    pub(crate) fn n_dropped(&self) -> u64 {
        self.lines.n_dropped.load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Writes what is left and ends the thread.
    pub(crate) fn close(self) {
        self.lines.is_closing.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // Panics only where the sink's `write` did; there is nobody left to tell.
        let _ = self.thread.join();
    }
}

impl Lines {
    fn own_buffer(&self) -> MutexGuard<'_, Vec<u8>> {
        let index = thread_index() % self.buffers.len();
        #[expect(clippy::indexing_slicing, reason = "a remainder of the length, and there is at least one")]
        let buffer = &self.buffers[index];
        buffer.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_closed(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        let mut n_reported = 0;
        while !self.is_closing.load(Ordering::Acquire) {
            if self.has_lines.load(Ordering::Acquire) {
                thread::sleep(BATCH);
                self.has_lines.store(false, Ordering::Release);
                self.write_once(&mut out, &mut batch, &mut n_reported);
            } else {
                thread::park();
            }
        }
        self.write_once(&mut out, &mut batch, &mut n_reported);
    }

    /// The other end may be gone (`EPIPE`): serving goes on without lines.
    fn write_once(&self, out: &mut impl Write, batch: &mut Vec<u8>, n_reported: &mut u64) {
        for buffer in &self.buffers {
            mem::swap(&mut *buffer.0.lock().unwrap_or_else(PoisonError::into_inner), batch);
            let _ = out.write_all(batch);
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
        }
        let n_dropped = self.n_dropped.load(Ordering::Relaxed);
        if n_dropped != *n_reported {
            let _ = writeln!(out, "{} log and access lines dropped: the reader is too slow", n_dropped - *n_reported);
            *n_reported = n_dropped;
        }
        let _ = out.flush();
    }
}

/// A small number of this thread's own, for as long as it lives.
fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static INDEX: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    INDEX.with(|index| *index)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands every write to a channel; waits for a permit before each where there is a gate.
    struct Reader {
        written: mpsc::Sender<Vec<u8>>,
        gate: Option<mpsc::Receiver<()>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn text(written: mpsc::Receiver<Vec<u8>>) -> String {
        String::from_utf8(written.into_iter().flatten().collect()).unwrap()
    }

    #[test]
    fn loses_no_line_at_the_end() {
        let (written, lines) = mpsc::channel();
        let (sink, writer) = start(Reader { written, gate: None }, 2).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let sink = sink.clone();
                thread::spawn(move || (0..100).for_each(|n| sink.append(|out| writeln!(out, "{thread}.{n}").unwrap())))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        writer.close();
        drop(sink);
        assert_eq!(text(lines).lines().count(), 400);
    }

    #[test]
    fn counts_what_a_slow_reader_makes_it_drop() {
        let (written, lines) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        let (sink, writer) = start(Reader { written, gate: Some(gate) }, 1).unwrap();
        let line = [b'x'; 1 << 16];
        for _ in 0..60 {
            sink.append(|out| out.extend_from_slice(&line));
        }
        assert!(sink.n_dropped() >= 20, "{}", sink.n_dropped());
        drop(open);
        writer.close();
        drop(sink);
        assert!(text(lines).ends_with("lines dropped: the reader is too slow\n"));
    }
}
