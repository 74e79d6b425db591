//! The session of a long piece of work: its state under a name that the caller chose. Plain values;
//! the caller sets how long it is kept.

use std::time::Duration;

/// The most characters of a session's id.
pub const ID_CHARACTERS: usize = 100;

/// Whether the text can be a session's name: it must also be a valid part of a path.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=ID_CHARACTERS).contains(&text.chars().count())
        && !text.chars().any(|letter| letter.is_control() || letter == '/')
        && !matches!(text, "." | "..")
}

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStatus {
    /// A worker has started.
    Starting,
    /// The work is in progress.
    Running,
    /// All is done.
    Completed,
    /// The work was given up.
    Failed,
}

impl SessionStatus {
    /// As it is stored and shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// The report of an attempt about its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionNote {
    /// The site that is crawled.
    pub base_url: String,
    /// The state.
    pub status: SessionStatus,
    /// The number of crawled pages.
    pub pages_crawled: i32,
    /// The number of bugs found on them.
    pub bugs_found: i32,
    /// The error of a failed attempt.
    pub error: Option<String>,
    /// How long the session is kept from now on.
    pub ttl: Duration,
}
