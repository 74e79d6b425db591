//! Retries a request while another open transaction holds the capacity of a bounded queue. The wait
//! is here and never in the database, so that a waiting request holds no connection and no lock.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::server::problem::{Case, Problem};

/// The longest wait.
pub(crate) const LONGEST: Duration = Duration::from_secs(2);
/// The pause between two tries.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// The retry budget of one request.
#[derive(Debug)]
pub(crate) struct RetryBudget(Instant);

impl RetryBudget {
    /// Starts the budget now.
    pub(crate) fn begin() -> Self {
        Self(Instant::now() + LONGEST)
    }

    /// Pauses; false when the budget is used up.
    pub(crate) async fn wait(&self) -> bool {
        if self.is_spent() {
            return false;
        }
        sleep(PAUSE).await;
        true
    }

    /// Whether the budget is used up.
    pub(crate) fn is_spent(&self) -> bool {
        Instant::now() >= self.0
    }

    /// As [`Self::wait`], if the error is that the queue capacity is locked; otherwise false.
    pub(crate) async fn wait_if_busy<T>(&self, answer: &Result<T, Problem>) -> bool {
        match answer {
            Err(problem) if problem.case() == Case::QueueBusy => self.wait().await,
            _ => false,
        }
    }
}
