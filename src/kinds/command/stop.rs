//! Decides whether a command ended because of a stop request or by itself: its worker requested the
//! stop, or someone stopped both together. Must never take a stop for a success.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::Notify;

use super::group::{Ended, Group};
use super::orphan_killer;
use super::pipes::Said;
use crate::worker::context::Context;

/// How long a command's end may precede the worker's receipt of a signal that was meant for both.
const APART: Duration = Duration::from_secs(1);
/// The same for an end that may be its own: a tenth of the command's run time, at most this.
const APART_IF_IN_DOUBT: Duration = Duration::from_millis(100);
/// How soon, and how often later, a command is checked for a SIGTERM handler; also after its first output,
/// when most have set it up.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_secs(2);
const LOOKS_AT_MESSAGES: usize = 100;
/// The signals with which service managers stop processes.
const SIGNALS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
/// The number that shells and many runtimes add to a signal in their exit code.
const CODE_OF_SIGNALS: i32 = 128;

/// The origin of a stop, if there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// None: it ended by itself.
    No,
    /// Its worker, with SIGTERM.
    Asked,
    /// A program that also stops the worker.
    WithItsWorker,
    /// The watch shell, because the worker was stalled for too long.
    WatchShell,
}

/// The known facts of a command's run.
#[derive(Debug)]
pub(super) struct Ran {
    /// Its worker asked it to stop.
    pub(super) asked: bool,
    /// It had a handler for SIGTERM.
    pub(super) handles_stop: bool,
    pub(super) started: Instant,
    pub(super) lasted: Duration,
}

/// Waits until the leader of a group has a handler for SIGTERM. Checks while it is alive, because some
/// runtimes remove their handlers before they end.
pub(super) async fn until_handled(group: &Group, context: &Context, spoke: &Notify) {
    let (mut pause, mut leaves) = (FIRST_LOOK, false);
    let mut messages = 0;
    while !group.handles_stop() {
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_LOOK),
            () = spoke.notified(), if messages < LOOKS_AT_MESSAGES => messages += 1,
            // From then on it may install one at any moment.
            Some(_) = context.leaves_within(Duration::from_hours(24)), if !leaves => leaves = true,
        }
    }
}

/// The origin of the stop of a command with this run and this exit.
pub(super) async fn stop_of(context: &Context, ran: &Ran, ended: &Ended, said: &Said) -> Stop {
    let Some(status) = ended.status.filter(|_| !ran.asked) else {
        return if ran.asked { Stop::Asked } else { Stop::No };
    };
    if is_by_signal(status) {
        return match context.leaves_within(APART).await {
            Some(_) => Stop::WithItsWorker,
            None => Stop::No,
        };
    }
    if status.signal() == Some(libc::SIGKILL) {
        return if struck(ran.started).await { Stop::WatchShell } else { Stop::No };
    }
    // Its own report counts, and without a handler a signal would have ended it.
    if said.verdict.is_some() || !(ran.handles_stop || ended.handles_stop) {
        return Stop::No;
    }
    match context.leaves_within((ran.lasted / 10).min(APART_IF_IN_DOUBT)).await {
        // Within the time that it may take to stop, the cause is uncertain: then it runs once more.
        Some(since) if since.elapsed() <= context.stop_grace() => Stop::WithItsWorker,
        _ => Stop::No,
    }
}

/// Whether the watch shell ended it, as far as can be determined within a moment.
async fn struck(started: Instant) -> bool {
    for _ in 0..10 {
        if orphan_killer::struck_since(started) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// Whether a stop signal ended it, or its exit code says so.
pub(super) fn is_by_signal(status: ExitStatus) -> bool {
    let number = status.signal().or_else(|| Some(status.code()? - CODE_OF_SIGNALS));
    SIGNALS.iter().any(|signal| Some(*signal as i32) == number)
}

/// Whether a process has a handler for SIGTERM, by the kernel's table of it; also of one that ended and is not reaped.
pub(super) fn handles_stop(process: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    caught >> (libc::SIGTERM - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_shows_in_the_signal_or_the_code() {
        for (raw, expected) in
            [(15, true), (2, true), (9, false), (11, false), (143 << 8, true), (130 << 8, true)]
        {
            assert_eq!(is_by_signal(ExitStatus::from_raw(raw)), expected, "{raw}");
        }
        assert!(!is_by_signal(ExitStatus::from_raw(0)) && !is_by_signal(ExitStatus::from_raw(1 << 8)));
    }
}
