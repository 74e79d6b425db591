//! The stored states of a job, equal to the enum `job_state` in Postgres. Displayed states
//! (scheduled, retrying) come from the database's views and must never be stored.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a job.
///
/// # Examples
///
/// ```
/// use tidemill::JobState;
///
/// assert!(JobState::Cancelled.is_final() && !JobState::Waiting.is_final());
/// assert_eq!(JobState::Available.word(), "available");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "job_state", rename_all = "lowercase")]
pub enum JobState {
    /// Waits for other jobs, a signal or a limit's release.
    Waiting,
    /// Can be claimed once its `run_at` has passed.
    Available,
    /// A worker holds its lease.
    Running,
    /// Done.
    Completed,
    /// Failed for good.
    Failed,
    /// Cancelled.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Available, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// True for the three states that end a job's life.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The state's word, as in SQL and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Available => "available",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
