//! A limit on the jobs of a queue or key, over all workers. Plain data; the store counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The values of a limit.
///
/// # Examples
///
/// ```
/// use tidemill::{LimitSettings, NewJob, extension::Declared};
///
/// // Three at once for each customer, over all workers.
/// let three = LimitSettings { max_running: Some(3), ..LimitSettings::default() };
/// let declared = Declared { limits: vec![("customer".into(), three)], ..Declared::default() };
/// let mut job = NewJob::new("render", Default::default());
/// job.concurrency_keys = vec!["customer:42".into()];
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LimitSettings {
    /// The most jobs that run at once per key; `None`: no limit.
    pub max_running: Option<i32>,
    /// The most jobs that may start in a period.
    pub rate: Option<Rate>,
    /// The effect of a new job when the limit is reached; `queue` if `None`.
    pub on_full: Option<OnFull>,
}

/// The rate at which jobs may start.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::{LimitSettings, Rate};
///
/// // 60 a minute, and no more than 10 at one moment.
/// let rate = Rate { count: 60, period: Duration::from_mins(1), burst: Some(10) };
/// let limit = LimitSettings { rate: Some(rate), ..LimitSettings::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of jobs that may start in a period, on average.
    pub count: i32,
    /// The period.
    pub period: Duration,
    /// The most jobs at one moment after an idle time; `count` if `None`.
    pub burst: Option<i32>,
}

/// The effect of a new job when the limit is reached.
///
/// # Examples
///
/// ```
/// use tidemill::{LimitSettings, OnFull};
///
/// // Only the latest search of a user matters.
/// let latest = LimitSettings {
///     max_running: Some(1),
///     on_full: Some(OnFull::CancelOldest),
///     ..LimitSettings::default()
/// };
/// assert_eq!(OnFull::of("cancel_oldest"), latest.on_full);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// It waits.
    Queue,
    /// It is cancelled.
    CancelNewest,
    /// The oldest job is cancelled.
    CancelOldest,
}

impl OnFull {
    /// The word, as in SQL and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::CancelNewest => "cancel_newest",
            Self::CancelOldest => "cancel_oldest",
        }
    }

    /// The action of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Queue, Self::CancelNewest, Self::CancelOldest].into_iter().find(|known| known.word() == word)
    }
}
