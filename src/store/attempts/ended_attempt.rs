//! An attempt that ended, for metrics and traces only. Must never decide anything.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::job::trace::TraceParent;

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedAttempt {
    /// Its job.
    pub job_id: Uuid,
    /// The lease under which it ran.
    pub lease_id: Uuid,
    /// Ordinal of the attempt, from 1.
    pub attempt: i32,
    /// The kind of its job.
    pub kind: String,
    /// The queue of its job.
    pub queue: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When its end was stored.
    pub ended_at: DateTime<Utc>,
    /// The span that enqueued its job, as the job's metadata have it.
    pub traceparent: Option<String>,
}

impl EndedAttempt {
    /// How long it lasted; nothing if the clock was set back meanwhile.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        (self.ended_at - self.started_at).to_std().unwrap_or_default()
    }

    /// The span that enqueued its job, and its own.
    #[must_use]
    pub fn spans(&self) -> (Option<TraceParent>, TraceParent) {
        let parent = self.traceparent.as_deref().and_then(TraceParent::parse);
        (parent, TraceParent::of_attempt(parent, self.job_id, self.lease_id))
    }
}
