//! The lines that a process writes, read as they come, with a deadline for each wait.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(source: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(source).split(b'\n').map_while(Result::ok);
            // The reader can have enough and be gone.
            let _ = lines
                .map(|line| String::from_utf8_lossy(&line).into_owned())
                .try_for_each(|line| sender.send(line));
        });
        Self(receiver)
    }

    /// The lines up to the first that `is_last`; panics with what came if there is none within `limit`.
    pub(crate) fn until(&self, limit: Duration, is_last: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + limit;
        let mut seen = Vec::new();
        loop {
            match self.0.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let last = is_last(&line);
                    seen.push(line);
                    if last {
                        return seen;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("not within {limit:?}; so far:\n{}", seen.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => panic!("it ended early, with:\n{}", seen.join("\n")),
            }
        }
    }
}
