//! A limit on the jobs of a queue or key, over all workers. Plain data; the store counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The values of a limit.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The average number of jobs.
    pub count: i32,
    /// The period.
    pub period: Duration,
    /// The most jobs at one moment after an idle time; `count` if `None`.
    pub burst: Option<i32>,
}

/// The effect of a new job when the limit is reached.
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
