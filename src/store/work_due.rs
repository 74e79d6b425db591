//! Work due: what the periodic tasks would find, asked for in one statement, and deadlines that this process itself
//! has set.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Result, Store};

/// What falls due when. Seconds from now: 0 or less for now, `None` for never.
#[derive(Debug, Clone, Copy)]
pub struct WorkDue {
    pub schedule_seconds: Option<f64>,
    pub operation_seconds: Option<f64>,
    /// The deadline of a running attempt.
    pub deadline_seconds: Option<f64>,
    /// Jobs wait for the end of others, or of their time.
    pub has_dependents: bool,
}

/// The nearest deadline that this process gave to an attempt and that no task has heard of.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    nearest: Mutex<Option<Instant>>,
    set: Notify,
}

impl Deadlines {
    /// An attempt began that must have ended after this time.
    pub(crate) fn add(&self, after: Duration) {
        let Some(at) = Instant::now().checked_add(after) else { return };
        let mut nearest = self.nearest.lock().unwrap_or_else(PoisonError::into_inner);
        *nearest = Some(nearest.map_or(at, |nearest| nearest.min(at)));
        self.set.notify_one();
    }

    /// Waits for a deadline.
    pub(crate) async fn next(&self) -> Instant {
        loop {
            self.set.notified().await;
            let nearest = self.nearest.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(at) = nearest {
                return at;
            }
        }
    }
}

impl Store {
    /// What the periodic tasks would find.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn work_due(&self) -> Result<WorkDue> {
        Ok(sqlx::query_as!(
            WorkDue,
            r#"
            select
              schedule_seconds,
              operation_seconds,
              deadline_seconds,
              has_dependents as "has_dependents!"
            from work_due()
            "#
        )
        .fetch_one(self.pool())
        .await?)
    }
}
