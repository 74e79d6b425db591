//! What an attempt that ended was of, and how long it ran: for metrics alone. Must never decide anything.

use std::time::Duration;

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedAttempt {
    /// The kind of its job.
    pub kind: String,
    /// The queue of its job.
    pub queue: String,
    /// From its start until its end was stored.
    pub lasted: Duration,
}

impl EndedAttempt {
    /// An attempt that lasted so many seconds; clocks that were set back make none that lasted less than nothing.
    pub(super) fn of(kind: String, queue: String, seconds: Option<f64>) -> Self {
        let lasted = Duration::try_from_secs_f64(seconds.unwrap_or_default().max(0.0)).unwrap_or_default();
        Self { kind, queue, lasted }
    }
}
