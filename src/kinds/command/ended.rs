//! The end of a command.

use std::process::ExitStatus;

/// The exit of a command.
#[derive(Debug, Clone, Copy)]
pub(in crate::kinds) struct Ended {
    /// `None` if other code in this process collected it from the kernel.
    pub(super) status: Option<ExitStatus>,
    /// Largest resident memory of the command or one of its waited-for children; never less than
    /// what the worker itself held, because the kernel counts the command's life before its exec.
    pub(super) peak_memory_bytes: Option<i64>,
    /// The signals of a stop for which it had a handler at its end, as a mask: it may have ended by one.
    pub(super) handled: u64,
}

impl Ended {
    pub(super) fn unknown() -> Self {
        Self { status: None, peak_memory_bytes: None, handled: 0 }
    }
}
