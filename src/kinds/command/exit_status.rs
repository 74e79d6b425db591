//! Turns the exit of a command into the outcome of the attempt: completed, failed, or snoozed, with
//! the resource use of the process. Decides nothing about delays.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use super::ended::Ended;
use super::memory;
use super::pipes::CommandOutput;
use super::spec::CommandSpec;
use super::stop::{Stop, is_by_signal};
use crate::job::attempt::Usage;
use crate::kinds::protocol::Verdict;
use crate::worker::handler::{Completion, JobError};

/// The most characters of what a command said last, in the first line of its failure.
const SUMMARY_CHARACTERS: usize = 200;

/// `oom_kills_rose` is `None` if the kernel's count cannot be read. After a stop only a reported result is
/// a success.
pub(super) fn outcome_of(
    spec: &CommandSpec,
    ended: &Ended,
    output: CommandOutput,
    oom_kills_rose: Option<bool>,
    stop: Stop,
) -> Result<Completion, JobError> {
    let Some(status) = ended.status else {
        return Err(JobError::retry(
            "the command has ended, but its exit status was lost: something else in the worker's \
             process waits for children, or it was started with SIGCHLD ignored",
        )
        .class("exit_unknown"));
    };
    let limited = spec.limits.memory_bytes.is_some();
    let usage = Usage {
        exit_code: status.code(),
        signal: status.signal(),
        out_of_memory: memory::ran_out(status, limited, &output.last_stderr, oom_kills_rose),
        peak_memory_bytes: ended.peak_memory_bytes,
    };
    // The signal sent to it does not make its finished work a failure.
    let is_done =
        stop != Stop::No && is_by_signal(status) && matches!(output.verdict, Some(Verdict::Result(_)));
    let handed_back = match stop {
        Stop::WithItsWorker if !is_done => Some("the command was stopped together with its worker"),
        Stop::WatchShell => Some("the command was ended because its worker was stalled for too long"),
        _ => None,
    };
    if let Some(message) = handed_back {
        return Err(JobError::handed_back(message).usage(usage));
    }
    if status.success() || is_done {
        return match Verdict::conclude(output.verdict) {
            Ok(completion) => Ok(Completion { usage, ..completion }),
            Err(error) => Err(error.usage(usage)),
        };
    }
    let permanent = status.code().is_some_and(|code| spec.permanent_exit_codes.contains(&code));
    Err(failure(spec, status, output, permanent, usage.out_of_memory).usage(usage))
}

/// The failure reported by the command on its channel, otherwise ours.
fn failure(
    spec: &CommandSpec,
    status: ExitStatus,
    output: CommandOutput,
    permanent: bool,
    out_of_memory: bool,
) -> JobError {
    if let Some(Verdict::Error(named)) = output.verdict {
        return if permanent { named.into_permanent() } else { named };
    }
    let message =
        with_output(&describe(spec, status, out_of_memory), &output.last_stderr, status.code().is_some());
    let class = match status.signal() {
        _ if out_of_memory => "out_of_memory",
        Some(_) => "signal",
        None => "exit_code",
    };
    let error = if permanent { JobError::permanent(message) } else { JobError::retry(message) };
    error.class(class)
}

/// The reason and the last output. Lists show the first line: for an exit code it is what the command said last, which
/// most languages end a stack trace with.
fn with_output(reason: &str, last_stderr: &str, is_exit_code: bool) -> String {
    let written = last_stderr.trim_end();
    let Some(last) = written.lines().last().map(str::trim).filter(|_| is_exit_code) else {
        let is_silent = written.is_empty();
        return if is_silent { reason.to_owned() } else { format!("{reason}; its last output:\n{written}") };
    };
    let said: String = last.chars().take(SUMMARY_CHARACTERS).collect();
    if said == written {
        format!("{said} ({reason})")
    } else {
        format!("{said} ({reason}; its last output:)\n{written}")
    }
}

fn describe(spec: &CommandSpec, status: ExitStatus, out_of_memory: bool) -> String {
    let end = match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command exited with code {code}"),
        (None, Some(number)) => {
            let name = Signal::try_from(number).map_or("a real-time signal", Signal::as_str);
            format!("the command was ended by {name} (signal {number}){}", hint(spec, number))
        }
        (None, None) => format!("the command ended with {status}"),
    };
    match (out_of_memory, spec.limits.memory_bytes) {
        (true, Some(limit)) => format!("{end} because it ran out of memory (its limit is {limit} bytes)"),
        (true, None) => format!("{end}: the machine or its container ran out of memory"),
        (false, _) => end,
    }
}

/// The limit that a signal indicates.
fn hint(spec: &CommandSpec, signal: i32) -> String {
    match (signal, spec.limits.cpu, spec.limits.file_size_bytes) {
        (libc::SIGXCPU, Some(cpu), _) => format!(": it used up its CPU limit of {cpu:?}"),
        (libc::SIGXFSZ, _, Some(bytes)) => format!(": it wrote a file beyond its limit of {bytes} bytes"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_what_went_wrong() {
        let reason = "the command exited with code 1";
        assert_eq!(with_output(reason, "", true), reason);
        assert_eq!(with_output(reason, " \n", true), reason);
        assert_eq!(with_output(reason, "no such file\n", true), format!("no such file ({reason})"));
        let trace = "Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 'customer'\n\n";
        let message = with_output(reason, trace, true);
        assert_eq!(
            message.lines().next(),
            Some("KeyError: 'customer' (the command exited with code 1; its last output:)")
        );
        assert!(message.ends_with(trace.trim_end()), "{message}");
        let long = with_output(reason, &"x".repeat(5000), true);
        assert!(
            long.lines().next().is_some_and(|line| line.len() < 300) && long.len() > 5000,
            "{}",
            long.len()
        );
    }

    #[test]
    fn a_signal_comes_before_what_the_command_said() {
        let message = with_output("the command was ended by SIGKILL (signal 9)", "step 3\n", false);
        assert_eq!(message, "the command was ended by SIGKILL (signal 9); its last output:\nstep 3");
    }
}
