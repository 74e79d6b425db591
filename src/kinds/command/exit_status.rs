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
    let mut message = describe(spec, status, out_of_memory);
    if !output.last_stderr.is_empty() {
        message = format!("{message}; its last output:\n{}", output.last_stderr);
    }
    let class = match status.signal() {
        _ if out_of_memory => "out_of_memory",
        Some(_) => "signal",
        None => "exit_code",
    };
    let error = if permanent { JobError::permanent(message) } else { JobError::retry(message) };
    error.class(class)
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
