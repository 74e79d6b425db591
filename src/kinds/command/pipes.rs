//! Reads the output of a command as it comes: lines of standard output and error become log events,
//! and lines on file descriptor 3 are interpreted. Slows the command down when events are stored
//! slowly; must never drop a line while the pipe is open.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, watch};

use super::spec::CommandSpec;
use crate::kinds::line_reader::{Ends, Lines};
use crate::kinds::protocol::{Channel, Verdict};
use crate::worker::context::Context;

const READ_BYTES: usize = 16 * 1024;
/// How much of standard error is repeated in the error of a failed attempt.
const LAST_STDERR_BYTES: usize = 2 * 1024;
/// After the last call the group is dead and its pipes hold only earlier output: at most the capacity of a
/// pipe. A process that left the group may keep a pipe open for ever.
const AFTER_LAST_CALL_BYTES: usize = 1024 * 1024;
const AFTER_LAST_CALL_WAIT: Duration = Duration::from_millis(200);

/// The output of a command that matters for its outcome.
#[derive(Debug)]
pub(super) struct CommandOutput {
    pub(super) verdict: Option<Verdict>,
    pub(super) last_stderr: String,
}

/// Follows the pipes of one attempt.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    spec: &'a CommandSpec,
    context: &'a Context,
    last_call: watch::Receiver<bool>,
    spoke: &'a Notify,
}

impl<'a> Follower<'a> {
    /// `spoke` is notified of each message on file descriptor 3.
    pub(super) fn new(
        spec: &'a CommandSpec,
        context: &'a Context,
        last_call: watch::Receiver<bool>,
        spoke: &'a Notify,
    ) -> Self {
        Self { spec, context, last_call, spoke }
    }

    /// Logs every line of `pipe` as `stream`, and gives the last of them.
    pub(super) async fn log(&self, stream: &str, pipe: pipe::Receiver) -> String {
        let mut source = Source::new(pipe, self.last_call.clone());
        let mut lines = Lines::new(Ends::Terminal, self.spec.max_line_bytes);
        let mut tail = Tail::default();
        while let Some(bytes) = source.read().await {
            for line in lines.push(bytes) {
                self.context.log_to(stream, &line.text).await;
                tail.push(line.text);
            }
        }
        if let Some(line) = lines.finish() {
            self.context.log_to(stream, &line.text).await;
            tail.push(line.text);
        }
        tail.into_text()
    }

    /// Interprets the lines on the channel, and returns the last outcome among them.
    pub(super) async fn obey(&self, pipe: pipe::Receiver) -> Option<Verdict> {
        let mut source = Source::new(pipe, self.last_call.clone());
        let (max_line_bytes, max_result_bytes) = (self.spec.max_line_bytes, self.spec.max_result_bytes);
        let folder = self.spec.working_dir.clone().unwrap_or_else(|| ".".into());
        let channel = Channel::new(self.context, "fd3", max_line_bytes, max_result_bytes);
        let mut channel = channel.keeping_files_of(folder);
        let mut lines = Lines::new(Ends::LineFeed, channel.limit_bytes());
        while let Some(bytes) = source.read().await {
            self.spoke.notify_one();
            for line in lines.push(bytes) {
                channel.line(line).await;
            }
        }
        if let Some(line) = lines.finish() {
            channel.line(line).await;
        }
        channel.into_verdict()
    }
}

/// A pipe that ends with its writers or, after the last call, with its content.
struct Source {
    pipe: pipe::Receiver,
    last_call: watch::Receiver<bool>,
    left_bytes: Option<usize>,
    buffer: Box<[u8]>,
}

impl Source {
    fn new(pipe: pipe::Receiver, last_call: watch::Receiver<bool>) -> Self {
        Self { pipe, last_call, left_bytes: None, buffer: vec![0; READ_BYTES].into() }
    }

    /// The next bytes, or `None` at the end. A pipe that cannot be read has ended, too.
    async fn read(&mut self) -> Option<&[u8]> {
        let count = match self.left_bytes {
            None => self.read_live().await,
            Some(left) => self.read_rest(left).await,
        };
        (count > 0).then(|| &self.buffer[..count])
    }

    async fn read_live(&mut self) -> usize {
        tokio::select! {
            biased;
            read = self.pipe.read(&mut self.buffer) => return read.unwrap_or(0),
            // An error means that the attempt ends, which is a last call as well.
            _ = self.last_call.wait_for(|called| *called) => {}
        }
        self.read_rest(AFTER_LAST_CALL_BYTES).await
    }

    async fn read_rest(&mut self, left_bytes: usize) -> usize {
        let wanted = self.buffer.len().min(left_bytes);
        let read = self.pipe.read(&mut self.buffer[..wanted]);
        let count = match tokio::time::timeout(AFTER_LAST_CALL_WAIT, read).await {
            Ok(Ok(count)) => count,
            Ok(Err(_)) | Err(_) => 0,
        };
        self.left_bytes = Some(left_bytes - count);
        count
    }
}

/// The last lines of a stream, up to a size.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, mut line: String) {
        if line.len() > LAST_STDERR_BYTES {
            let start = line.ceil_char_boundary(line.len() - LAST_STDERR_BYTES);
            line.drain(..start);
        }
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > LAST_STDERR_BYTES && self.lines.len() > 1 {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len() + 1);
        }
    }

    fn into_text(self) -> String {
        Vec::from(self.lines).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.push(format!("line {number}"));
        }
        let text = tail.into_text();
        assert!(text.ends_with("line 9998\nline 9999"));
        assert!((1024..=LAST_STDERR_BYTES).contains(&text.len()));
    }

    #[test]
    fn a_tail_cuts_a_long_line_at_its_beginning() {
        let mut tail = Tail::default();
        tail.push("ü".repeat(LAST_STDERR_BYTES) + "x");
        let text = tail.into_text();
        assert!(text.ends_with("üx") && text.len() <= LAST_STDERR_BYTES);
    }
}
