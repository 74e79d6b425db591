//! The signals that stop a command, and for which of them a process has a handler. Only reads what the kernel reports.

use nix::sys::signal::Signal;

use crate::worker::leaving::bit;

/// The signals with which service managers stop processes.
pub(super) const SIGNALS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

pub(super) fn signals_of_a_stop() -> u64 {
    SIGNALS.iter().fold(0_u64, |mask, signal| mask | bit(*signal as i32))
}

/// The signals of a stop for which a process has a handler, by the kernel's table of it; also of one that ended and is not
/// reaped.
pub(super) fn handled(process: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    caught & signals_of_a_stop()
}
