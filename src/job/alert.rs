//! Alert rules: the condition, the threshold, and the receivers. Plain data; the database evaluates
//! them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

/// What a rule measures, each with its unit.
///
/// # Examples
///
/// ```
/// use tidemill::{AlertRule, Condition};
///
/// let condition = Condition::of("database_size").expect("it is a word of the table");
/// let at_50_gigabytes = AlertRule::new(condition, 50e9);
/// assert_eq!(at_50_gigabytes.condition, Condition::DatabaseSize);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The share of a kind's attempts in the window that failed.
    ErrorRate,
    /// The average run time in seconds of a kind's completed jobs in the window.
    AverageTime,
    /// The number of jobs of a queue that are due or wait for a limit; counted up to 10,000.
    QueueDepth,
    /// No worker is alive, or none that serves the queue.
    NoWorker,
    /// The number of running jobs without heartbeats.
    StuckJobs,
    /// The seconds that the database took to answer, or for which it was unreachable.
    DatabaseLatency,
    /// The size of the database in bytes.
    DatabaseSize,
    /// The age in seconds of the oldest transaction that keeps dead rows.
    DatabaseHorizon,
}

impl Condition {
    /// Every condition with its word.
    pub const ALL: &[(Self, &'static str)] = &[
        (Self::ErrorRate, "error_rate"),
        (Self::AverageTime, "average_time"),
        (Self::QueueDepth, "queue_depth"),
        (Self::NoWorker, "no_worker"),
        (Self::StuckJobs, "stuck_jobs"),
        (Self::DatabaseLatency, "database_latency"),
        (Self::DatabaseSize, "database_size"),
        (Self::DatabaseHorizon, "database_horizon"),
    ];

    /// The word, as in SQL and JSON.
    ///
    /// # Panics
    /// Never: the table has all.
    #[must_use]
    pub fn word(self) -> &'static str {
        let row = Self::ALL.iter().find(|(condition, _)| *condition == self);
        row.expect("the table has all").1
    }

    /// The condition of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(condition, _)| *condition)
    }
}

/// A rule that raises alerts, with its receivers.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::{AlertRule, Condition};
///
/// // Of at least 20 attempts within an hour more than 5 % failed, for two minutes.
/// let rule = AlertRule {
///     kind: Some("charge-card".into()),
///     at_least: 20,
///     over: Duration::from_hours(1),
///     hold: Duration::from_mins(2),
///     email: vec!["ops@example.org".into()],
///     ..AlertRule::new(Condition::ErrorRate, 0.05)
/// };
/// assert_eq!(rule.misfit(), None);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// The measured condition.
    pub condition: Condition,
    /// The threshold that the value must exceed; for `no_worker`, this number of workers or fewer.
    pub above: f64,
    /// Only jobs of this kind.
    pub kind: Option<String>,
    /// Only this queue.
    pub queue: Option<String>,
    /// The fewest attempts in the window for a value to count.
    pub at_least: i32,
    /// The window of rates and averages.
    pub over: Duration,
    /// How long the value must be above the threshold before the rule fires, and below it before it is
    /// resolved.
    pub hold: Duration,
    /// The URL that is called.
    pub webhook: Option<String>,
    /// The email addresses.
    pub email: Vec<String>,
}

impl AlertRule {
    /// A rule that only logs, with the usual times.
    #[must_use]
    pub fn new(condition: Condition, above: f64) -> Self {
        Self {
            condition,
            above,
            kind: None,
            queue: None,
            at_least: 1,
            over: Duration::from_mins(15),
            hold: Duration::from_mins(1),
            webhook: None,
            email: Vec::new(),
        }
    }

    /// The first invalid field, and the reason.
    #[must_use]
    pub fn misfit(&self) -> Option<(&'static str, &'static str)> {
        use Condition::{AverageTime, DatabaseHorizon, DatabaseLatency, DatabaseSize, ErrorRate, StuckJobs};
        let of_kinds = matches!(self.condition, ErrorRate | AverageTime | StuckJobs);
        let of_database = matches!(self.condition, DatabaseLatency | DatabaseSize | DatabaseHorizon);
        let is_address = |text: &String| {
            text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
                && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control())
        };
        if !self.above.is_finite() || self.above < 0.0 {
            Some(("above", "must be a number of at least 0"))
        } else if self.condition == ErrorRate && self.above >= 1.0 {
            Some(("above", "is a share of attempts: it must be below 1"))
        } else if self.condition == Condition::QueueDepth && self.above >= 10_000.0 {
            Some(("above", "must be below 10,000: waiting jobs are counted up to there"))
        } else if self.kind.is_some() && !of_kinds {
            Some(("kind", "does not apply to this condition"))
        } else if self.queue.is_some() && of_database {
            Some(("queue", "does not apply to this condition"))
        } else if !self.webhook.as_deref().is_none_or(is_web_address) {
            Some(("webhook", "must be an address that begins with http:// or https:// and has a host"))
        } else if !self.email.iter().all(is_address) {
            Some(("email", "must hold addresses such as ops@example.org"))
        } else {
            None
        }
    }
}

/// The database takes no others.
fn is_web_address(text: &str) -> bool {
    (text.starts_with("http://") || text.starts_with("https://")) && Url::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        let rule = || AlertRule::new(Condition::ErrorRate, 0.1);
        assert_eq!(rule().misfit(), None);
        let field = |rule: AlertRule| rule.misfit().map(|(field, _)| field);
        assert_eq!(field(AlertRule { above: 1.5, ..rule() }), Some("above"));
        assert_eq!(field(AlertRule { above: f64::NAN, ..rule() }), Some("above"));
        assert_eq!(
            field(AlertRule { condition: Condition::NoWorker, kind: Some("k".into()), ..rule() }),
            Some("kind")
        );
        assert_eq!(
            field(AlertRule { condition: Condition::DatabaseSize, queue: Some("q".into()), ..rule() }),
            Some("queue")
        );
        for webhook in ["ftp://x", "https://", "https://a b/", "example.org"] {
            assert_eq!(field(AlertRule { webhook: Some(webhook.into()), ..rule() }), Some("webhook"));
        }
        assert_eq!(field(AlertRule { webhook: Some("https://example.org?x".into()), ..rule() }), None);
        assert_eq!(field(AlertRule { email: vec!["a b@c".into()], ..rule() }), Some("email"));
        for (condition, word) in Condition::ALL {
            assert_eq!((condition.word(), Condition::of(word)), (*word, Some(*condition)));
        }
    }
}
