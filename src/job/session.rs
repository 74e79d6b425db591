//! The session of a long piece of work: its state under a name that the caller chose. Plain values;
//! the caller sets how long it is kept.

use std::time::Duration;

/// The most characters of a session's id.
pub const ID_CHARACTERS: usize = 100;

/// Whether a session may be called so: text that is also a part of a path.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=ID_CHARACTERS).contains(&text.chars().count())
        && !text.chars().any(|letter| letter.is_control() || letter == '/')
        && !matches!(text, "." | "..")
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStatus {
    /// A worker has begun.
    Starting,
    /// The work goes on.
    Running,
    /// All is done.
    Completed,
    /// It is given up.
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

/// What an attempt says of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionNote {
    /// What is crawled.
    pub base_url: String,
    /// How far it is.
    pub status: SessionStatus,
    /// How many pages are done.
    pub pages_crawled: i32,
    /// How many bugs were found on them.
    pub bugs_found: i32,
    /// What an attempt failed of.
    pub error: Option<String>,
    /// For how long this is kept from now on.
    pub ttl: Duration,
}
