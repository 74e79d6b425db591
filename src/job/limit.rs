//! A limit on the jobs of a queue or key, over all workers. Plain data; the store counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a limit is set to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LimitSettings {
    /// Most jobs that run at once for each key; `None`: any number.
    pub max_running: Option<i32>,
    /// How many may start in a time.
    pub rate: Option<Rate>,
    /// What a new job does when the limit is reached; `queue` if `None`.
    pub on_full: Option<OnFull>,
}

/// How many jobs may start in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many on average.
    pub count: i32,
    /// In this time.
    pub period: Duration,
    /// At most so many at one moment after a quiet time; as `count` if `None`.
    pub burst: Option<i32>,
}

/// What a new job does when the limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// It waits.
    Queue,
    /// It is cancelled itself.
    CancelNewest,
    /// The one that came first is cancelled.
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

    /// What a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Queue, Self::CancelNewest, Self::CancelOldest].into_iter().find(|known| known.word() == word)
    }
}
