//! The rules of a kind: attempts, timeouts, and the queue of its jobs. The database stores
//! durations as intervals, so that every worker and the sweep use the same values.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::unique::Unique;

/// Exponential growth of the delay between attempts.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::Backoff;
///
/// let second = Duration::from_secs(1);
/// let backoff = Backoff { first: second, factor: 3.0, max: 60 * second, jitter: 0.0 };
/// assert_eq!([1, 3, 9].map(|attempt| backoff.after(attempt)), [second, 9 * second, 60 * second]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// Delay before the second attempt.
    pub first: Duration,
    /// The factor by which each further delay is longer than the previous one.
    pub factor: f64,
    /// The longest delay.
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
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::KindSettings;
///
/// let mail = KindSettings {
///     queue: "mail".into(),
///     max_attempts: 10,
///     soft_timeout: Some(Duration::from_secs(20)),
///     hard_timeout: Duration::from_secs(30),
///     permanent_errors: vec!["bad_address".into()],
///     ..KindSettings::default()
/// };
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KindSettings {
    /// The queue of its jobs.
    pub queue: String,
    /// 1 (first) to 9 (last).
    pub priority: i16,
    /// The most attempts of a job.
    pub max_attempts: i32,
    /// The time after which the handler is asked to stop.
    pub soft_timeout: Option<Duration>,
    /// The time after which the attempt is ended.
    pub hard_timeout: Duration,
    /// How long a handler may take to stop after a stop request before it is ended.
    pub stop_grace: Duration,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// How long finished jobs are kept; `None` is the deployment's retention.
    pub retain: Option<Duration>,
    /// Classes of errors after which no further attempt is made.
    pub permanent_errors: Vec<String>,
    /// The circuit breaker for jobs that crash in a loop; `None`: no breaker.
    pub breaker: Option<Breaker>,
    /// Rarely used defaults.
    pub defaults: JobDefaults,
    /// The handling of attempts while their worker cannot reach the database.
    pub on_lost_contact: OnLostContact,
}

/// The handling of an attempt while its worker cannot reach the database, and so cannot renew its lease. In
/// either case all its writes are fenced by the lease.
///
/// # Examples
///
/// ```
/// use tidemill::{KindSettings, OnLostContact};
///
/// // A simulation of hours may run twice; a transfer of money, with the default, does not.
/// let simulation = KindSettings { on_lost_contact: OnLostContact::Continue, ..KindSettings::default() };
/// assert_eq!(KindSettings::default().on_lost_contact, OnLostContact::Stop);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
pub enum OnLostContact {
    /// It is ended before its lease expires, so that it never runs at the same time as the next attempt;
    /// the job is handed back without counting the attempt as soon as the database answers.
    #[default]
    Stop,
    /// It continues until the database says that the lease belongs to another worker. If only this worker
    /// was cut off, it may run at the same time as the next attempt for a while.
    Continue,
}

/// The circuit breaker: when the jobs of a kind crash in a loop, no more are started for a while. A crash
/// is a worker that died, or a command ended by a signal or out of memory.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::{Breaker, KindSettings};
///
/// // After three crashes within ten minutes none is started for five.
/// let breaker = Breaker { after: 3, window: Duration::from_mins(10), pause: Duration::from_mins(5) };
/// let settings = KindSettings { breaker: Some(breaker), ..KindSettings::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// The number of crashes that opens it.
    pub after: i32,
    /// Crashes further apart are not counted together.
    pub window: Duration,
    /// How long it stays open: twice as long each further time, at most a day.
    pub pause: Duration,
}

/// Defaults for the jobs of a kind. `{name}` in a key stands for the value of that arg.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::{JobDefaults, KindSettings};
///
/// // Tenants take turns, each with a count of its own.
/// let defaults = JobDefaults {
///     concurrency_keys: vec!["tenant:{tenant}".into()],
///     fair_key: Some("{tenant}".into()),
///     expires_in: Some(Duration::from_hours(1)),
///     ..JobDefaults::default()
/// };
/// let settings = KindSettings { defaults, ..KindSettings::default() };
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobDefaults {
    /// The rule for unique jobs.
    pub unique: Option<Unique>,
    /// The limits that they count against.
    pub concurrency_keys: Vec<String>,
    /// The group for fairness.
    pub fair_key: Option<String>,
    /// The time after which a job that has not started is cancelled.
    pub expires_in: Option<Duration>,
}

impl JobDefaults {
    /// In the format of the SQL function `insert_jobs`; `None` if there are none.
    #[must_use]
    pub fn options(&self) -> Option<Value> {
        let mut options = Map::new();
        if let Some(unique) = &self.unique {
            options.insert("unique".into(), unique.to_spec());
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
