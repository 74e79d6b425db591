//! Passes a server's log lines to standard error over a bounded queue and a thread. A caller that
//! logs must never wait for the reader or fail with it: a full disk, a closed reader or a stalled
//! reader only loses log lines.

use std::fs::File;
use std::io::{self, Write, stderr};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many lines may wait for a slow reader.
const MOST_WAITING: usize = 8192;
/// How long the end of the process waits for the last lines.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

enum Message {
    Line(Vec<u8>),
    /// Everything before it is written.
    Flush(SyncSender<()>),
}

/// The writer for one line of `tracing`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match QUEUE.get() {
            Some(queue) if queue.try_send(Message::Line(bytes.to_vec())).is_ok() => {}
            _ => {
                LOST.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the thread; without it, or without a standard error, every line is lost.
pub(crate) fn start() {
    // A separate handle: the lock of the shared one can be held while no one reads, and would block a panic's message.
    let Ok(end) = stderr().as_fd().try_clone_to_owned() else { return };
    let (queue, lines) = sync_channel(MOST_WAITING);
    if QUEUE.set(queue).is_ok() {
        let _ = thread::Builder::new().name("log".into()).spawn(move || write(File::from(end), &lines));
    }
}

/// Waits a moment for what was logged to be written.
pub(crate) fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let until = Instant::now() + FLUSH_WITHIN;
    let (written, heard) = sync_channel(1);
    while queue.try_send(Message::Flush(written.clone())).is_err() {
        if Instant::now() > until {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = heard.recv_timeout(until.saturating_duration_since(Instant::now()));
}

fn write(mut end: File, lines: &Receiver<Message>) {
    while let Ok(message) = lines.recv() {
        match message {
            // A line that cannot be written is lost; the next one may succeed.
            Message::Line(line) => {
                if end.write_all(&line).is_ok() {
                    report_lost();
                }
            }
            Message::Flush(written) => {
                let _ = written.try_send(());
            }
        }
    }
}

fn report_lost() {
    let lines = LOST.swap(0, Ordering::Relaxed);
    if lines > 0 {
        tracing::warn!(lines, "log lines were lost because they could not be written in time");
    }
}
