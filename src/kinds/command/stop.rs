//! Decides whether a command ended because of a stop request or by itself: its worker requested the
//! stop, or someone stopped both together. Must never take a stop for a success.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::Notify;

use super::ended::Ended;
use super::group::Group;
use super::orphan_killer;
use super::pipes::CommandOutput;
use super::signal_handlers::{SIGNALS, signals_of_a_stop};
use crate::kinds::protocol::Verdict;
use crate::worker::context::Context;
use crate::worker::leaving::bit;

/// How long a command's end may precede the worker's receipt of a signal that was meant for both.
const APART: Duration = Duration::from_secs(1);
/// The same for an end that may as well be its own: it costs a tenth of the time that the command ran, at most so much. Shells
/// and Python pay it always, unless they say a result.
const APART_IF_IN_DOUBT: Duration = Duration::from_millis(100);
/// How soon, and how often later, a command is looked at for whether it handles a stop; also when it says something, for most
/// are set up by then.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const CHECKS_AT_MESSAGES: usize = 100;
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
    /// The signals of a stop for which it was seen with a handler, as a mask.
    pub(super) handled: u64,
    pub(super) started: Instant,
    pub(super) lasted: Duration,
}

/// Adds to `handled` the signals of a stop for which the leader of a group has a handler, until it has had one for each. Looks
/// while it lives: some runtimes take their handlers away before they end.
pub(super) async fn note_handlers(group: &Group, context: &Context, spoke: &Notify, handled: &AtomicU64) {
    let (mut pause, mut leaves) = (FIRST_PAUSE, false);
    let mut messages = 0;
    loop {
        let now = group.handled();
        if handled.fetch_or(now, Ordering::Relaxed) | now == signals_of_a_stop() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = spoke.notified(), if messages < CHECKS_AT_MESSAGES => messages += 1,
            // From then on it may install one at any moment.
            Some(_) = context.leaves_within(Duration::from_hours(24)), if !leaves => leaves = true,
        }
    }
}

/// The origin of the stop of a command with this run and this exit.
pub(super) async fn stop_of(context: &Context, ran: &Ran, ended: &Ended, output: &CommandOutput) -> Stop {
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
    let handled = ran.handled | ended.handled;
    // Without a handler a signal would have ended it.
    if is_whole(status, output) || handled == 0 {
        return Stop::No;
    }
    let Some(since) = context.leaves_within((ran.lasted / 10).min(APART_IF_IN_DOUBT)).await else {
        return Stop::No;
    };
    let may_have_come = those_that_came(context.signals_to_leave()) & handled != 0;
    // Within the time that it may take to stop nobody can say whether it did: then it runs once more.
    if may_have_come && since.elapsed() <= context.stop_grace() { Stop::WithItsWorker } else { Stop::No }
}

/// Those signals of a stop that a command may have got together with its worker, which got these. If none is known it may be
/// any but SIGINT: shells and Python have a handler for that by default, which says nothing about their end.
fn those_that_came(to_worker: u64) -> u64 {
    match to_worker & signals_of_a_stop() {
        0 => signals_of_a_stop() & !bit(Signal::SIGINT as i32),
        known => known,
    }
}

/// Whether the watch-shell ended it, as far as is known within a moment.
async fn struck(started: Instant) -> bool {
    for _ in 0..10 {
        if orphan_killer::struck_since(started) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// Whether it did all that it had to, or put the rest off itself: then a stop changes nothing. Any other end may be the
/// stop's, whatever it said.
fn is_whole(status: ExitStatus, output: &CommandOutput) -> bool {
    status.success()
        && match &output.verdict {
            Some(Verdict::Result(_) | Verdict::Snooze(_)) => true,
            Some(Verdict::Wait(wait)) => wait.is_pause(),
            Some(Verdict::Error(_)) | None => false,
        }
}

/// Whether a signal ended it that asks to stop, or it says so by its exit code.
pub(super) fn is_by_signal(status: ExitStatus) -> bool {
    let number = status.signal().or_else(|| Some(status.code()? - CODE_OF_SIGNALS));
    SIGNALS.iter().any(|signal| Some(*signal as i32) == number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::worker::context::Attempt;
    use crate::worker::handler::JobError;

    const EXIT_0: i32 = 0;
    const EXIT_1: i32 = 1 << 8;

    /// Who stopped a command with handlers for these signals that ended like this.
    async fn stopped(context: &Context, handled: &[i32], raw_status: i32, verdict: Option<Verdict>) -> Stop {
        let handled = handled.iter().fold(0_u64, |mask, number| mask | bit(*number));
        let ran = Ran { asked: false, handled, started: Instant::now(), lasted: Duration::from_secs(1) };
        let ended = Ended { status: Some(ExitStatus::from_raw(raw_status)), ..Ended::unknown() };
        stop_of(context, &ran, &ended, &CommandOutput { verdict, last_stderr: String::new() }).await
    }

    #[tokio::test]
    async fn only_a_handler_for_a_signal_that_came_shows_a_stop() {
        let int = libc::SIGINT;
        let all = [libc::SIGTERM, int, libc::SIGHUP, libc::SIGQUIT];
        let (context, probe) = Context::for_test(Attempt::for_test("test", json!({})));
        assert_eq!(stopped(&context, &all, EXIT_0, None).await, Stop::No, "its worker goes on");
        probe.leave();
        for handled in all {
            let expected = if handled == int { Stop::No } else { Stop::WithItsWorker };
            assert_eq!(stopped(&context, &[handled], EXIT_0, None).await, expected, "{handled}");
        }
        for came in all {
            probe.leave_by(came);
            for handled in all {
                let expected = if handled == came { Stop::WithItsWorker } else { Stop::No };
                let stop = stopped(&context, &[handled], EXIT_1, None).await;
                assert_eq!(stop, expected, "{came} came, {handled} is handled");
            }
            assert_eq!(stopped(&context, &[], EXIT_1, None).await, Stop::No, "{came}");
        }
    }

    #[tokio::test]
    async fn only_what_is_whole_is_not_the_stop_s() {
        let (context, probe) = Context::for_test(Attempt::for_test("test", json!({})));
        probe.leave_by(libc::SIGTERM);
        let result = || Some(Verdict::Result(json!(1)));
        let error = |error| Some(Verdict::Error(error));
        for (raw_status, verdict, expected) in [
            (EXIT_0, result(), Stop::No),
            (EXIT_0, Some(Verdict::Snooze(Duration::ZERO)), Stop::No),
            (EXIT_0, None, Stop::WithItsWorker),
            (EXIT_0, error(JobError::permanent("1e400 cannot be kept")), Stop::WithItsWorker),
            (EXIT_1, error(JobError::retry("interrupted")), Stop::WithItsWorker),
            (EXIT_1, result(), Stop::WithItsWorker),
            (EXIT_1, Some(Verdict::Snooze(Duration::ZERO)), Stop::WithItsWorker),
        ] {
            let case = format!("{raw_status}, {verdict:?}");
            let stop = stopped(&context, &[libc::SIGTERM], raw_status, verdict).await;
            assert_eq!(stop, expected, "{case}");
        }
    }

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
