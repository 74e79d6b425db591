//! The rules of a kind: attempts, timeouts, and the queue of its jobs. The database stores
//! durations as intervals, so that every worker and the sweep use the same values.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::unique::Unique;

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

impl Backoff {
    /// The delay after this attempt failed, as the SQL function `backoff` has it.
    #[must_use]
    pub fn after(&self, attempt: i32) -> Duration {
        if self.first.is_zero() {
            return Duration::ZERO;
        }
        let grown = self.first.as_secs_f64() * self.factor.powf(f64::from(attempt.max(1) - 1));
        let chance = 1.0 + self.jitter * rand::random_range(-1.0..=1.0);
        Duration::try_from_secs_f64(grown.min(self.max.as_secs_f64()) * chance).unwrap_or(self.max)
    }
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
    /// Classes of errors after which no further attempt is made.
    pub permanent_errors: Vec<String>,
    /// When jobs that crash in a loop are not started for a while; `None`: never.
    pub breaker: Option<Breaker>,
    /// What most jobs do not have.
    pub defaults: JobDefaults,
    /// What its attempts do while their worker cannot reach the database.
    pub on_lost_contact: OnLostContact,
}

/// What an attempt does while its worker cannot reach the database, and so cannot renew its lease. Whatever it writes is
/// fenced by the lease in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
pub enum OnLostContact {
    /// It is ended before its lease is, so that it never runs beside the next attempt; the job is handed back at no
    /// cost of an attempt as soon as the database answers.
    #[default]
    Stop,
    /// It goes on until the database says that the lease is another's. If only this worker was cut off, it may run
    /// beside the next attempt for a while.
    Continue,
}

/// When the jobs of a kind that crash in a loop are not started for a while. A crash is a worker that died, or a command
/// ended by a signal or for want of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// After so many crashes.
    pub after: i32,
    /// Crashes further apart are not counted together.
    pub window: Duration,
    /// For how long; twice as long each time that it goes on, at most a day.
    pub pause: Duration,
}

/// What the jobs of a kind have unless they say otherwise. `{name}` in a key stands for that arg.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobDefaults {
    /// Not stored while another job holds its key.
    pub unique: Option<Unique>,
    /// The limits that it counts for.
    pub concurrency_keys: Vec<String>,
    /// Whose job it is.
    pub fair_key: Option<String>,
    /// Cancelled if it was not started within this time.
    pub expires_in: Option<Duration>,
}

impl JobDefaults {
    /// As the SQL function `insert_jobs` takes it; `None` if there are none.
    #[must_use]
    pub fn options(&self) -> Option<Value> {
        let mut options = Map::new();
        if let Some(unique) = &self.unique {
            options.insert("unique".into(), unique.wish());
        }
        if !self.concurrency_keys.is_empty() {
            options.insert("concurrency_keys".into(), self.concurrency_keys.clone().into());
        }
        if let Some(fair_key) = &self.fair_key {
            options.insert("fair_key".into(), fair_key.clone().into());
        }
        if let Some(expires_in) = self.expires_in {
            options.insert("expires_in_seconds".into(), expires_in.as_secs_f64().into());
        }
        (!options.is_empty()).then_some(Value::Object(options))
    }
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
            permanent_errors: Vec::new(),
            breaker: None,
            defaults: JobDefaults::default(),
            on_lost_contact: OnLostContact::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_the_longest_and_vary_by_their_share() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let delays = [1, 2, 3, 100_000].map(|attempt| backoff.after(attempt).as_secs());
        assert_eq!(delays, [5, 10, 20, 3_600]);
        assert_eq!(Backoff { first: Duration::ZERO, ..backoff }.after(i32::MAX), Duration::ZERO);
        for _ in 0..100 {
            let delay = Backoff { jitter: 0.2, ..backoff }.after(1).as_secs_f64();
            assert!((4.0..=6.0).contains(&delay), "{delay}");
        }
    }
}
