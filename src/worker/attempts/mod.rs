//! An attempt from its first line to its last: the handler runs under its limits, its reports are stored, and its outcome
//! is written. Never claims a job.

pub(super) mod complete_with;
pub(super) mod completer;
pub(super) mod ending;
pub(super) mod executor;
pub(super) mod progress_throttle;
pub(super) mod reporter;
pub(super) mod rules;
pub(super) mod run_limits;
