//! The deadlines of the attempts that this process has handed out, so that it need not ask the database for them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

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
