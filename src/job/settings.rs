//! The rules of a kind: how often, how long, and where its jobs run. Durations are stored in the
//! database as intervals, so that every worker and the sweep judge by the same values.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Exponential growth of the delay between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// Delay before the second attempt.
    pub first: Duration,
    /// By how much each further delay is longer than the one before.
    pub factor: f64,
    /// No delay is longer than this.
    pub max: Duration,
    /// Share of the delay by which it may randomly be shorter or longer, 0 to 1.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(5), factor: 2.0, max: Duration::from_hours(1), jitter: 0.2 }
    }
}

/// The defaults of a kind for its jobs; a job may override most of them when it is enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct KindSettings {
    /// The queue that its jobs go to.
    pub queue: String,
    /// 1 (first) to 9 (last).
    pub priority: i16,
    /// How many attempts a job has.
    pub max_attempts: i32,
    /// After this the handler is asked to stop.
    pub soft_timeout: Option<Duration>,
    /// After this the attempt is ended.
    pub hard_timeout: Duration,
    /// How long a handler that was asked to stop may take before it is ended.
    pub stop_grace: Duration,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// How long finished jobs stay; `None` is the deployment's retention.
    pub retain: Option<Duration>,
}

impl Default for KindSettings {
    fn default() -> Self {
        Self {
            queue: "default".into(),
            priority: 5,
            max_attempts: 5,
            soft_timeout: None,
            hard_timeout: Duration::from_hours(24),
            stop_grace: Duration::from_secs(10),
            backoff: Backoff::default(),
            retain: None,
        }
    }
}
